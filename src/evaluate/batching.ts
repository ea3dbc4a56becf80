/**
 * Single inputs gathered into batches. Whoever has an image or a crop submits it and gets a promise; inputs of
 * one shape are computed together. A batch is full when it has reached its largest size; what is left over
 * goes when `flush` is called.
 *
 * Which inputs share a batch follows from the order of submissions and flushes alone, and never from how long
 * anything took, so that results are the same, bit for bit, every time. A server, whose batches cannot but
 * depend on time, has a queue of its own (src/serve/live-queue.ts).
 */
import type { Shape4 } from '../core/shape.ts';

/** `[C, H, W]` */
export type ItemShape = readonly [channels: number, height: number, width: number];

export interface BatchItem {
  readonly shape: ItemShape;
  /** Fills C·H·W floats of a batch from `offset` on: called once, just before the batch is computed. */
  write(input: Float32Array, offset: number): void;
}

/** What batches are for. */
export interface BatchWork {
  /** Computes `[N, C, H, W]`. @returns N results end to end, in memory of their own: the input's is used again */
  readonly run: (shape: Shape4, input: Float32Array) => Promise<Float32Array>;
  /** The most inputs of a shape that may be computed at once; rounded down to a power of two. */
  readonly largest: (shape: ItemShape) => number;
}

/** Whatever gathers inputs into batches. */
export interface Batcher {
  /**
   * Takes an input.
   * @param signal of whoever has lost interest: the promise is then rejected with its reason
   * @returns its part of the batch's results, which shares memory with the others'
   */
  submit(item: BatchItem, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Takes an input whose result nobody needs, to keep the others in the company that they would have had. A
   * batch of nothing else is not computed.
   */
  accompany(item: BatchItem): void;
  /** Sends off the batches that are not full. */
  flush(): void;
  /** Everything that has not been computed, or is submitted later, fails with `error`. */
  close(error: unknown): void;
}

export interface BatchingOptions extends BatchWork {
  /** Batches handed to `run` at a time (default 2: one is computed, one is written meanwhile). */
  readonly atOnce?: number;
}

interface Place {
  readonly item: BatchItem;
  /** Absent where nobody waits for the result. */
  readonly settle?: { resolve(result: Float32Array): void; reject(error: unknown): void };
}

interface Gathering {
  readonly shape: ItemShape;
  places: Place[];
}

export class BatchQueue implements Batcher {
  readonly #options: BatchingOptions;
  /** Batches that are not full, by shape. */
  readonly #gathering = new Map<string, Gathering>();
  /** Batches whose turn has not come. */
  readonly #ready: Place[][] = [];
  readonly #running = new Set<Place[]>();
  #closed: { readonly error: unknown } | undefined;

  constructor(options: BatchingOptions) {
    this.#options = options;
  }

  submit(item: BatchItem): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(this.#closed.error);
      else this.#add({ item, settle: { resolve, reject } });
    });
  }

  accompany(item: BatchItem): void {
    if (!this.#closed) this.#add({ item });
  }

  flush(): void {
    for (const gathering of [...this.#gathering.values()]) this.#send(gathering);
  }

  close(error: unknown): void {
    this.#closed ??= { error };
    this.flush();
    for (const place of [...this.#ready.splice(0), ...this.#running].flat()) place.settle?.reject(error);
  }

  #add(place: Place): void {
    const { shape } = place.item;
    const key = shape.join('×');
    let gathering = this.#gathering.get(key);
    if (!gathering) {
      gathering = { shape, places: [] };
      this.#gathering.set(key, gathering);
    }
    gathering.places.push(place);
    if (gathering.places.length >= powerOfTwo(this.#options.largest(shape))) this.#send(gathering);
  }

  /** Splits what has gathered into powers of two, so that a shape has few programs and none is half empty. */
  #send({ shape, places }: Gathering): void {
    this.#gathering.delete(shape.join('×'));
    for (let from = 0; from < places.length; ) {
      const size = powerOfTwo(places.length - from);
      const batch = places.slice(from, from + size);
      if (batch.some(({ settle }) => settle)) this.#ready.push(batch);
      from += size;
    }
    this.#runNext();
  }

  #runNext(): void {
    while (this.#running.size < (this.#options.atOnce ?? 2)) {
      const batch = this.#ready.shift();
      if (!batch) return;
      this.#running.add(batch);
      void this.#run(batch).finally(() => {
        this.#running.delete(batch);
        this.#runNext();
      });
    }
  }

  async #run(batch: readonly Place[]): Promise<void> {
    const shape = batch[0]!.item.shape;
    const size = shape[0] * shape[1] * shape[2];
    try {
      const input = new Float32Array(batch.length * size);
      batch.forEach(({ item }, i) => {
        item.write(input, i * size);
      });
      const results = await this.#options.run([batch.length, ...shape], input);
      const each = results.length / batch.length;
      batch.forEach(({ settle }, i) => {
        settle?.resolve(results.subarray(i * each, (i + 1) * each));
      });
    } catch (error) {
      for (const { settle } of batch) settle?.reject(error);
    }
  }
}

/** The largest power of two up to a number, at least 1. */
export function powerOfTwo(number: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, number)));
}
