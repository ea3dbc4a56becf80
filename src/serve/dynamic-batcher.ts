/**
 * Dynamic batching: inputs of one shape that arrive at about the same time are computed together.
 *
 * An idle batcher does not wait for more inputs: it computes what has arrived by the next turn of the event loop. While
 * a batch is computed, others queue up, and the size of the next batch is decided when its turn comes, so that batches
 * grow with the load. A second batch is written while the first is computed, as soon as it is full or its oldest input
 * has waited some milliseconds, so that the backend is never idle.
 */
import {
  type Batcher,
  type BatchItem,
  type BatchRunner,
  batchLength,
  computeBatch,
  type ItemShape,
  powerOfTwo,
} from '../evaluate/inference/batcher.ts';

export interface DynamicBatcherOptions extends BatchRunner {
  /** How long an input waits for others while a batch is computed (default 3). */
  readonly waitMilliseconds?: number;
  /** Called after each batch. */
  readonly onBatch?: (images: number, seconds: number) => void;
}

interface PendingInput {
  readonly item: BatchItem;
  /** When it was submitted. */
  readonly since: number;
  readonly resolve: (result: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

/** The inputs of one shape that wait, in order of submission. */
interface ShapeQueue {
  readonly shape: ItemShape;
  readonly inputs: Set<PendingInput>;
}

/** One batch is computed, one is written. */
const USUAL_CONCURRENCY = 2;

export class DynamicBatcher implements Batcher {
  readonly #options: DynamicBatcherOptions;
  readonly #wait: number;
  readonly #concurrency: number;
  readonly #queues = new Map<string, ShapeQueue>();
  readonly #running = new Set<readonly PendingInput[]>();
  /** Memory of finished batches, at most one for each concurrent batch. */
  readonly #spare: Float32Array[] = [];
  /** Callers of `untilReady`. */
  #waitingForRoom: (() => void)[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed: { readonly error: unknown } | undefined;

  constructor(options: DynamicBatcherOptions) {
    this.#options = options;
    this.#wait = options.waitMilliseconds ?? 3;
    this.#concurrency = options.concurrency ?? USUAL_CONCURRENCY;
  }

  /** Number of inputs that wait for their batch. */
  get waiting(): number {
    let sum = 0;
    for (const { inputs } of this.#queues.values()) sum += inputs.size;
    return sum;
  }

  /**
   * Backpressure: resolves once no shape has a full batch waiting. Preparing more inputs earlier gains nothing: encoded
   * images take less memory than pixels, and young buffers that grow old are expensive for the garbage collector.
   */
  async untilReady(): Promise<void> {
    while (!this.#closed && this.#hasFullBatch()) {
      await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    }
  }

  submit(item: BatchItem, signal?: AbortSignal): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed.error);
      if (signal?.aborted) return reject(signal.reason);
      const queue = this.#queueFor(item.shape);
      const onAbort = () => {
        queue.inputs.delete(input);
        reject(signal?.reason);
        this.#notifyWaiting();
      };
      const input: PendingInput = {
        item,
        since: performance.now(),
        resolve: (result) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(result);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.inputs.add(input);
      this.#scheduled ??= setImmediate(() => this.#dispatch());
    });
  }

  /** Does nothing: batches depend on time anyway. */
  addFiller(): void {}

  /** Does nothing: inputs never wait for a flush. */
  flush(): void {}

  close(error: unknown): void {
    this.#closed ??= { error };
    clearImmediate(this.#scheduled);
    clearTimeout(this.#timer);
    for (const { inputs } of this.#queues.values()) for (const input of inputs) input.reject(error);
    for (const batch of this.#running) for (const input of batch) input.reject(error);
    this.#queues.clear();
    this.#notifyWaiting();
  }

  #hasFullBatch(): boolean {
    return [...this.#queues.values()].some(({ shape, inputs }) => inputs.size >= this.#maxSize(shape));
  }

  #notifyWaiting(): void {
    for (const resolve of this.#waitingForRoom.splice(0)) resolve();
  }

  #maxSize(shape: ItemShape): number {
    return powerOfTwo(this.#options.maxSize(shape));
  }

  #queueFor(shape: ItemShape): ShapeQueue {
    const key = shape.join('×');
    const queue = this.#queues.get(key) ?? { shape, inputs: new Set() };
    this.#queues.set(key, queue);
    return queue;
  }

  /** Starts the batches whose turn has come. */
  #dispatch(): void {
    this.#scheduled = undefined;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    while (this.#running.size < this.#concurrency) {
      const batch = this.#nextBatch();
      if (!batch) return;
      this.#running.add(batch);
      void this.#run(batch).finally(() => {
        this.#running.delete(batch);
        this.#dispatch();
      });
    }
  }

  /** The batch of the oldest input, if its turn has come. */
  #nextBatch(): readonly PendingInput[] | undefined {
    let oldest: { queue: ShapeQueue; since: number } | undefined;
    for (const [key, queue] of this.#queues) {
      const [first] = queue.inputs;
      if (!first) this.#queues.delete(key);
      else if (!oldest || first.since < oldest.since) oldest = { queue, since: first.since };
    }
    if (!oldest) return undefined;
    const { queue, since } = oldest;
    const maximum = this.#maxSize(queue.shape);
    const remaining = since + this.#wait - performance.now();
    const isFree = this.#running.size < this.#concurrency - 1;
    if (!isFree && queue.inputs.size < maximum && remaining > 0) {
      // Clients that wait have connections, which keep the process alive.
      this.#timer = setTimeout(() => this.#dispatch(), remaining).unref();
      return undefined;
    }
    // Powers of two only, so that a shape needs few programs.
    const batch = [...queue.inputs].slice(0, powerOfTwo(Math.min(queue.inputs.size, maximum)));
    for (const input of batch) queue.inputs.delete(input);
    this.#notifyWaiting();
    return batch;
  }

  async #run(batch: readonly PendingInput[]): Promise<void> {
    const start = performance.now();
    const memory = this.#memoryFor(batchLength(batch));
    try {
      const results = await computeBatch(batch, this.#options.run, memory);
      this.#options.onBatch?.(batch.length, (performance.now() - start) / 1000);
      for (const [i, { resolve }] of batch.entries()) resolve(results[i]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#spare.push(memory);
    }
  }

  /**
   * Memory of a finished batch is reused: an input of eight images takes megabytes, and allocating that for each batch
   * makes the garbage collector go through the whole heap after every other one: 4 % of the event loop's time with D.
   */
  #memoryFor(length: number): Float32Array {
    const memory = this.#spare.pop();
    return memory && memory.length >= length ? memory : new Float32Array(length);
  }
}
