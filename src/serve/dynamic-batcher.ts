/**
 * Batches for strangers who wait: inputs of one shape are computed together where they come together.
 *
 * Nobody waits for company while there is nothing to do: with no batch under way, what has come by the next turn
 * of the event loop is computed. Meanwhile others gather, and how many of them make the next batch is decided
 * when its turn comes, so that batches grow with the load. A second batch is written while one is computed, as
 * soon as it is full or its first input has waited some milliseconds; and so the engine is never idle.
 */
import {
  type Batcher,
  type BatchItem,
  type BatchRunner,
  type ItemShape,
  powerOfTwo,
} from '../evaluate/batcher.ts';

export interface DynamicBatcherOptions extends BatchRunner {
  /** How long an input waits for company while another batch is computed (default 3). */
  readonly waitMilliseconds?: number;
  /** Hears of each batch that was computed. */
  readonly onBatch?: (images: number, seconds: number) => void;
}

interface Place {
  readonly item: BatchItem;
  readonly since: number;
  readonly resolve: (result: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

interface Line {
  readonly shape: ItemShape;
  readonly places: Set<Place>;
}

/** One batch is computed, one is written. */
const AT_ONCE = 2;

export class DynamicBatcher implements Batcher {
  readonly #options: DynamicBatcherOptions;
  readonly #wait: number;
  /** What waits, by shape, the longest waiting first. */
  readonly #lines = new Map<string, Line>();
  readonly #running = new Set<readonly Place[]>();
  /** Inputs of batches that are done: at most one for each that may be under way. */
  readonly #spare: Float32Array[] = [];
  /** Those who ask what `untilReady` tells. */
  #asking: (() => void)[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed: { readonly error: unknown } | undefined;

  constructor(options: DynamicBatcherOptions) {
    this.#options = options;
    this.#wait = options.waitMilliseconds ?? 3;
  }

  /** Inputs that wait for their batch. */
  get waiting(): number {
    let sum = 0;
    for (const { places } of this.#lines.values()) sum += places.size;
    return sum;
  }

  /**
   * Resolves once no shape has a full batch waiting: until then it helps nobody to make more ready. What waits is
   * smaller as it came, as files, and young buffers that grow old there cost the garbage collector dear.
   */
  async untilReady(): Promise<void> {
    while (!this.#closed && this.#isSated()) await new Promise<void>((resolve) => this.#asking.push(resolve));
  }

  submit(item: BatchItem, signal?: AbortSignal): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed.error);
      if (signal?.aborted) return reject(signal.reason);
      const line = this.#lineFor(item.shape);
      const leave = () => {
        line.places.delete(place);
        reject(signal?.reason);
        this.#answer();
      };
      const place: Place = {
        item,
        since: performance.now(),
        resolve: (result) => {
          signal?.removeEventListener('abort', leave);
          resolve(result);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      line.places.add(place);
      this.#scheduled ??= setImmediate(() => this.#dispatch());
    });
  }

  /** Nobody is kept company here. */
  addFiller(): void {}

  /** Nothing waits for a flush. */
  flush(): void {}

  close(error: unknown): void {
    this.#closed ??= { error };
    clearImmediate(this.#scheduled);
    clearTimeout(this.#timer);
    for (const { places } of this.#lines.values()) for (const place of places) place.reject(error);
    for (const batch of this.#running) for (const place of batch) place.reject(error);
    this.#lines.clear();
    this.#answer();
  }

  #isSated(): boolean {
    for (const { shape, places } of this.#lines.values()) {
      if (places.size >= this.#largest(shape)) return true;
    }
    return false;
  }

  #answer(): void {
    const asking = this.#asking;
    this.#asking = [];
    for (const resolve of asking) resolve();
  }

  #largest(shape: ItemShape): number {
    return powerOfTwo(this.#options.largest(shape));
  }

  #lineFor(shape: ItemShape): Line {
    const key = shape.join('×');
    let line = this.#lines.get(key);
    if (!line) {
      line = { shape, places: new Set() };
      this.#lines.set(key, line);
    }
    return line;
  }

  /** Starts what may start now. */
  #dispatch(): void {
    this.#scheduled = undefined;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    while (this.#running.size < AT_ONCE) {
      const batch = this.#nextBatch();
      if (!batch) return;
      this.#running.add(batch);
      void this.#run(batch).finally(() => {
        this.#running.delete(batch);
        this.#dispatch();
      });
    }
  }

  /** The batch of the input that has waited longest, if its turn has come. */
  #nextBatch(): readonly Place[] | undefined {
    let oldest: { line: Line; since: number } | undefined;
    for (const [key, line] of this.#lines) {
      const [first] = line.places;
      if (!first) this.#lines.delete(key);
      else if (!oldest || first.since < oldest.since) oldest = { line, since: first.since };
    }
    if (!oldest) return undefined;
    const { line, since } = oldest;
    const largest = this.#largest(line.shape);
    const left = since + this.#wait - performance.now();
    if (this.#running.size > 0 && line.places.size < largest && left > 0) {
      // Whoever waits has a connection, which keeps the process alive.
      this.#timer = setTimeout(() => this.#dispatch(), left).unref();
      return undefined;
    }
    // Powers of two only, so that a shape has few programs.
    const batch = [...line.places].slice(0, powerOfTwo(Math.min(line.places.size, largest)));
    for (const place of batch) line.places.delete(place);
    this.#answer();
    return batch;
  }

  async #run(batch: readonly Place[]): Promise<void> {
    const shape = batch[0]!.item.shape;
    const size = shape[0] * shape[1] * shape[2];
    const start = performance.now();
    const memory = this.#memoryFor(batch.length * size);
    const input = memory.subarray(0, batch.length * size);
    try {
      batch.forEach(({ item }, i) => {
        item.write(input, i * size);
      });
      const results = await this.#options.run([batch.length, ...shape], input);
      this.#options.onBatch?.(batch.length, (performance.now() - start) / 1000);
      const each = results.length / batch.length;
      batch.forEach(({ resolve }, i) => {
        resolve(results.subarray(i * each, (i + 1) * each));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#spare.push(memory);
    }
  }

  /**
   * An input of eight images takes megabytes, and an allocation of megabytes for each batch has the garbage
   * collector go through the whole heap after every other one: 4 % of the event loop's time with D.
   */
  #memoryFor(length: number): Float32Array {
    const memory = this.#spare.pop();
    return memory && memory.length >= length ? memory : new Float32Array(length);
  }
}
