/** A run's events as they happen (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FoundRun, RunsFolder } from '../../runs/runs-folder.ts';
import { stateEvent } from './run-summary.ts';

export interface EventTimes {
  /** Between two looks at the files. */
  readonly pollMilliseconds: number;
  /** Between two comments that keep a silent connection alive. */
  readonly heartbeatMilliseconds: number;
}

export const eventTimes: EventTimes = { pollMilliseconds: 1000, heartbeatMilliseconds: 15_000 };

/**
 * Lines from number `from` on, and what comes, until the signal.
 * @returns text of the stream, piece by piece
 */
export async function* runEvents(
  runs: RunsFolder,
  run: FoundRun,
  from: number,
  signal: AbortSignal,
  { pollMilliseconds, heartbeatMilliseconds }: EventTimes = eventTimes,
): AsyncGenerator<string, void, undefined> {
  const metrics = runs.metrics(run);
  let next = from;
  let state = '';
  let rewinds = metrics.rewinds;
  let silent = 0;
  // Tells a browser how soon to come back.
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
    silent = text === '' ? silent + pollMilliseconds : 0;
    if (silent >= heartbeatMilliseconds) {
      text = ': still here\n\n';
      silent = 0;
    }
    if (text !== '') yield text;
    await sleep(pollMilliseconds, undefined, { signal }).catch(() => {});
  }
}

/** @param id number of the line to go on with, which a browser sends back as Last-Event-ID */
function eventText(event: string, id: number, data: unknown): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
