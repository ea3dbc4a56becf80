/** Runs several asynchronous calls at once, with a limit. */
import pMap from 'p-map';
import { availableCores } from './available-cores.ts';

/** Images processed at once: keeps every core busy while a few files are being read. */
export const defaultConcurrency: number = availableCores() + 2;

/**
 * Maps items with at most `concurrency` calls running; results are in the order of the items. After the first failure
 * no new call starts. Unlike p-map alone, it waits for the running calls before it throws that failure.
 */
export async function mapConcurrently<I, O>(
  items: readonly I[],
  concurrency: number,
  work: (item: I, index: number) => Promise<O>,
): Promise<O[]> {
  const running = new Set<Promise<O>>();
  const tracked = (item: I, index: number): Promise<O> => {
    const result = work(item, index);
    running.add(result);
    return result.finally(() => running.delete(result));
  };
  try {
    return await pMap(items, tracked, { concurrency });
  } finally {
    await Promise.allSettled(running);
  }
}

/**
 * Works ahead of the consumer: yields the results in order while the next `ahead` are being computed. However the
 * iteration ends (break, throw, the last item, a failure), all work has finished by then; `signal` tells the work to
 * stop early.
 */
export async function* prefetch<I, O>(
  items: Iterable<I>,
  ahead: number,
  work: (item: I, signal: AbortSignal) => Promise<O>,
): AsyncGenerator<O, void, undefined> {
  const stop = new AbortController();
  const source = items[Symbol.iterator]();
  const running: Promise<O>[] = [];
  let exhausted = false;
  const fill = (count: number): void => {
    while (!exhausted && running.length < count) {
      const { done, value } = source.next();
      if (done) {
        exhausted = true;
        return;
      }
      const result = work(value, stop.signal);
      // A failure is thrown when its turn comes; until then it must not count as unhandled.
      result.catch(() => {});
      running.push(result);
    }
  };
  try {
    for (fill(Math.max(1, ahead)); running.length > 0; fill(1)) {
      const result = await running[0]!;
      running.shift();
      fill(ahead);
      yield result;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running);
    if (!exhausted) source.return?.();
  }
}
