/**
 * Collects single inputs (images or crops) into batches. `submit` returns a promise; inputs of one shape are computed
 * together.
 *
 * `DeterministicBatcher` forms batches by the order of submissions and flushes, never by timing, so that every run has
 * bit-for-bit the same results. The server, whose batches depend on when requests arrive, has its
 * own batcher (src/serve/dynamic-batcher.ts).
 */
import type { Shape4 } from '../../core/shape.ts';

/** `[C, H, W]` */
export type ItemShape = readonly [channels: number, height: number, width: number];

export interface BatchItem {
  readonly shape: ItemShape;
  /** Fills C·H·W floats of a batch from `offset` on. Called once, just before the batch is computed. */
  write(input: Float32Array, offset: number): void;
}

/** How batches are computed. */
export interface BatchRunner {
  /** Computes `[N, C, H, W]`. @returns N results, one after another, in memory that is not reused */
  readonly run: (shape: Shape4, input: Float32Array) => Promise<Float32Array>;
  /** Maximum number of inputs of a shape in one batch; rounded down to a power of two. */
  readonly maxSize: (shape: ItemShape) => number;
  /** Maximum number of batches in `run` at a time (default 2: one is computed while the next is written). */
  readonly concurrency?: number;
}

export interface Batcher {
  /**
   * Adds an input.
   * @param signal rejects the promise with its reason when the caller no longer needs the result
   * @returns the input's slice of the batch's results, which shares memory with the others
   */
  submit(item: BatchItem, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Adds an input whose result nobody needs, so that the other inputs are batched as if it were needed. A batch of
   * nothing but fillers is not computed.
   */
  addFiller(item: BatchItem): void;
  /** Computes the batches that are not full. */
  flush(): void;
  /** Rejects with `error` whatever has not been computed, and whatever is submitted later. */
  close(error: unknown): void;
}

export type DeterministicBatcherOptions = BatchRunner;

interface PendingInput {
  readonly item: BatchItem;
  /** Undefined for fillers. */
  readonly settle?: { resolve(result: Float32Array): void; reject(error: unknown): void };
}

interface OpenBatch {
  readonly shape: ItemShape;
  readonly inputs: PendingInput[];
}

export class DeterministicBatcher implements Batcher {
  readonly #options: DeterministicBatcherOptions;
  /** Batches that are not full, by shape. */
  readonly #open = new Map<string, OpenBatch>();
  /** Batches that wait to be computed. */
  readonly #ready: PendingInput[][] = [];
  readonly #running = new Set<PendingInput[]>();
  #closed: { readonly error: unknown } | undefined;

  constructor(options: DeterministicBatcherOptions) {
    this.#options = options;
  }

  submit(item: BatchItem): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(this.#closed.error);
      else this.#add({ item, settle: { resolve, reject } });
    });
  }

  addFiller(item: BatchItem): void {
    if (!this.#closed) this.#add({ item });
  }

  flush(): void {
    for (const batch of [...this.#open.values()]) this.#send(batch);
  }

  close(error: unknown): void {
    this.#closed ??= { error };
    this.flush();
    for (const { settle } of [...this.#ready.splice(0), ...this.#running].flat()) settle?.reject(error);
  }

  #add(input: PendingInput): void {
    const { shape } = input.item;
    const key = shape.join('×');
    const batch = this.#open.get(key) ?? { shape, inputs: [] };
    this.#open.set(key, batch);
    batch.inputs.push(input);
    if (batch.inputs.length >= powerOfTwo(this.#options.maxSize(shape))) this.#send(batch);
  }

  /** Splits a batch into powers of two, so that a shape needs few programs and none runs half empty. */
  #send({ shape, inputs }: OpenBatch): void {
    this.#open.delete(shape.join('×'));
    for (let from = 0; from < inputs.length; ) {
      const size = powerOfTwo(inputs.length - from);
      const batch = inputs.slice(from, from + size);
      if (batch.some(({ settle }) => settle)) this.#ready.push(batch);
      from += size;
    }
    this.#runNext();
  }

  #runNext(): void {
    while (this.#running.size < (this.#options.concurrency ?? 2)) {
      const batch = this.#ready.shift();
      if (!batch) return;
      this.#running.add(batch);
      void this.#run(batch).finally(() => {
        this.#running.delete(batch);
        this.#runNext();
      });
    }
  }

  async #run(batch: readonly PendingInput[]): Promise<void> {
    try {
      const results = await computeBatch(batch, this.#options.run);
      for (const [i, { settle }] of batch.entries()) settle?.resolve(results[i]!);
    } catch (error) {
      for (const { settle } of batch) settle?.reject(error);
    }
  }
}

/**
 * Writes inputs of one shape into a batch and computes it.
 * @param memory to write the batch into, at least as large as the batch
 * @returns each input's slice of the results
 */
export async function computeBatch(
  batch: readonly { readonly item: BatchItem }[],
  run: BatchRunner['run'],
  memory: Float32Array = new Float32Array(batchLength(batch)),
): Promise<Float32Array[]> {
  const input = memory.subarray(0, batchLength(batch));
  for (const [i, { item }] of batch.entries()) item.write(input, (i * input.length) / batch.length);
  const results = await run([batch.length, ...batch[0]!.item.shape], input);
  const length = results.length / batch.length;
  return batch.map((_, i) => results.subarray(i * length, (i + 1) * length));
}

/** Number of values in a batch of inputs of one shape. */
export function batchLength(batch: readonly { readonly item: BatchItem }[]): number {
  const [channels, height, width] = batch[0]!.item.shape;
  return batch.length * channels * height * width;
}

/** The largest power of two up to a number, at least 1. */
export function powerOfTwo(number: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, number)));
}
