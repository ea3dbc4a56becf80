import { useEffect, useRef, useState } from 'preact/hooks';
import type { RunState } from '../../../src/serve/contract/runs.ts';
import { Feed } from './metrics-stream.ts';

const REDRAW = 250; // milliseconds; metrics of a small network come faster than a chart is worth drawing

/**
 * Keeps the metrics of runs, live for those that are trained now.
 * @param runs those that are shown, with their state as far as it is known
 * @param onState called when a run's state changes
 */
export function useFeeds(
  runs: readonly { readonly id: string; readonly state: RunState }[],
  onState: () => void,
): ReadonlyMap<string, Feed> {
  const feeds = useRef(new Map<string, { feed: Feed; live: boolean }>()).current;
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
    for (const [id, { feed, live }] of feeds) {
      if (wanted.get(id) === live) continue;
      feed.stop();
      if (!wanted.has(id)) feeds.delete(id);
    }
    for (const [id, live] of wanted) {
      if (feeds.get(id)?.live === live) continue;
      const feed = new Feed(id, changed, (state) => {
        if ((state === 'running') !== live) onState();
      });
      feeds.set(id, { feed, live });
      void feed.start(live);
    }
  }, [runs.map(({ id, state }) => `${id}:${state}`).join(' ')]);
  useEffect(
    () => () => {
      for (const { feed } of feeds.values()) feed.stop();
      clearTimeout(timer.current);
    },
    [],
  );
  return new Map([...feeds].map(([id, { feed }]) => [id, feed]));
}
