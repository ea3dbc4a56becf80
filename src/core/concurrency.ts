/** Doing several things at once, but not all of them. */
import { availableParallelism } from 'node:os';

/** Images worked on at once: every core busy, and a few files being read meanwhile. */
export const defaultConcurrency: number = availableParallelism() + 2;

/**
 * Maps items with at most `limit` calls under way; results in the items' order. After the first failure
 * nothing new is started, what is under way is waited for, and that failure is thrown.
 */
export async function mapConcurrently<I, O>(
  items: readonly I[],
  limit: number,
  work: (item: I, index: number) => Promise<O>,
): Promise<O[]> {
  const results = new Array<O>(items.length);
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}

/** At most `limit` tasks at once, first come, first served. */
export class Limiter {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      // The place is handed to the next in line, or kept free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/**
 * Works ahead of the consumer: yields the results in order while the next `ahead` are under way. However
 * the consumer stops (break, throw, the last item, a failure), everything under way has ended when the
 * iterator has: `signal` tells work to stop early.
 */
export async function* prefetch<I, O>(
  items: Iterable<I>,
  ahead: number,
  work: (item: I, signal: AbortSignal) => Promise<O>,
): AsyncGenerator<O, void, undefined> {
  const stop = new AbortController();
  const source = items[Symbol.iterator]();
  const underWay: Promise<O>[] = [];
  let exhausted = false;
  const fill = (count: number): void => {
    while (!exhausted && underWay.length < count) {
      const { done, value } = source.next();
      if (done) {
        exhausted = true;
        return;
      }
      const result = work(value, stop.signal);
      // Its failure is seen when its turn comes; until then it must not count as unhandled.
      result.catch(() => {});
      underWay.push(result);
    }
  };
  try {
    for (fill(Math.max(1, ahead)); underWay.length > 0; fill(1)) {
      const result = await underWay[0]!;
      underWay.shift();
      fill(ahead);
      yield result;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(underWay);
    if (!exhausted) source.return?.();
  }
}
