/** The live events of a run (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FoundRun, RunList } from '../../runs/run-list.ts';
import { stateEvent } from './run-summary.ts';

/** Interval at which the files are read. */
const POLL_MILLISECONDS = 1000;
/** Interval of the comments that keep a silent connection alive. */
const HEARTBEAT_MILLISECONDS = 15_000;

/**
 * The metrics lines from index `from` on and everything new, until the signal is aborted.
 * @returns the text of the stream in pieces
 */
export async function* runEvents(
  runs: RunList,
  run: FoundRun,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const metrics = runs.metrics(run);
  let next = from;
  let state = '';
  let rewinds = metrics.rewinds;
  let silent = 0;
  // Tells browsers to reconnect after two seconds.
  yield 'retry: 2000\n\n';
  while (!signal.aborted) {
    await metrics.update();
    let text = '';
    if (metrics.rewinds !== rewinds || metrics.lines.length < next) {
      rewinds = metrics.rewinds;
      next = 0;
      text += eventText('rewind', next, { next });
    }
    for (; next < metrics.lines.length; next++) text += eventText('metrics', next + 1, metrics.lines[next]);
    const now = await stateEvent(run);
    if (now.state !== state) {
      state = now.state;
      text += eventText('state', next, now);
    }
    silent = text === '' ? silent + POLL_MILLISECONDS : 0;
    if (silent >= HEARTBEAT_MILLISECONDS) {
      text = ': heartbeat\n\n';
      silent = 0;
    }
    if (text !== '') yield text;
    await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => {});
  }
}

/** @param id index of the next line, which a browser sends back as Last-Event-ID */
function eventText(event: string, id: number, data: unknown): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
