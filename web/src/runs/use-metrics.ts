import { useEffect, useRef, useState } from 'preact/hooks';
import type { RunState } from '../../../src/serve/contract/run-schemas.ts';
import { MetricsStream } from './metrics-stream.ts';

const REDRAW = 250; // milliseconds; a small network delivers metrics faster than charts need to be drawn

/**
 * Returns the metrics of runs, live for those in training.
 * @param runs the selected runs with their last known state
 * @param onState called when a run's state changes
 */
export function useMetrics(
  runs: readonly { readonly id: string; readonly state: RunState }[],
  onState: () => void,
): ReadonlyMap<string, MetricsStream> {
  const streams = useRef(new Map<string, { stream: MetricsStream; live: boolean }>()).current;
  const [, redraw] = useState(0);
  const timer = useRef<number>(undefined);
  const changed = () => {
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      redraw((times) => times + 1);
    }, REDRAW);
  };
  useEffect(() => {
    const wanted = new Map(runs.map(({ id, state }) => [id, state === 'running']));
    for (const [id, { stream, live }] of streams) {
      if (wanted.get(id) === live) continue;
      stream.stop();
      if (!wanted.has(id)) streams.delete(id);
    }
    for (const [id, live] of wanted) {
      if (streams.get(id)?.live === live) continue;
      const stream = new MetricsStream(id, changed, (state) => {
        if ((state === 'running') !== live) onState();
      });
      streams.set(id, { stream, live });
      void stream.start(live);
    }
  }, [runs.map(({ id, state }) => `${id}:${state}`).join(' ')]);
  useEffect(
    () => () => {
      for (const { stream } of streams.values()) stream.stop();
      clearTimeout(timer.current);
    },
    [],
  );
  return new Map([...streams].map(([id, { stream }]) => [id, stream]));
}
