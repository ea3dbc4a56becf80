/**
 * The order of images. Sample s of a training run, counted over all epochs, is image order(⌊s / count⌋)[s mod count].
 * This depends only on the seed and s, so training can resume anywhere. Batches continue from one epoch into the next,
 * so every batch is full, whatever the number of images.
 */
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';

/** The images of a batch. `images[i]` is augmented with the random numbers of epoch `epochs[i]`. */
export interface PlannedBatch {
  readonly images: Uint32Array;
  readonly epochs: Uint32Array;
}

interface SamplerOptions {
  /** Images in the set. */
  readonly count: number;
  /** Images in a batch. */
  readonly batch: number;
  readonly seed: number;
  /** Whether each epoch has a new order; otherwise the order is always that of the source. */
  readonly shuffle: boolean;
}

export class Sampler {
  readonly options: SamplerOptions;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array(0);

  constructor(options: SamplerOptions) {
    if (options.count < 1 || options.batch < 1)
      throw new RangeError('a sampler needs images and a batch size');
    this.options = options;
  }

  /** The order of the images in an epoch. */
  order(epoch: number): Uint32Array {
    if (epoch !== this.#epoch) {
      this.#order = epochOrder(epoch, this.options);
      this.#epoch = epoch;
    }
    return this.#order;
  }

  /** The batch of an iteration, counted from 0. */
  batch(iteration: number): PlannedBatch {
    const { count, batch } = this.options;
    const images = new Uint32Array(batch);
    const epochs = new Uint32Array(batch);
    for (let i = 0; i < batch; i++) {
      const sample = iteration * batch + i;
      const epoch = Math.floor(sample / count);
      epochs[i] = epoch;
      images[i] = this.order(epoch)[sample - epoch * count]!;
    }
    return { images, epochs };
  }

  /** The batches of iterations `from` … `to` − 1. */
  *batches(from: number, to = Number.POSITIVE_INFINITY): Generator<PlannedBatch, void, undefined> {
    for (let iteration = from; iteration < to; iteration++) yield this.batch(iteration);
  }
}

function epochOrder(epoch: number, { count, seed, shuffle }: SamplerOptions): Uint32Array {
  return shuffle
    ? permutation(count, deriveKeys(keyOfSeed(seed), 'order', epoch))
    : Uint32Array.from({ length: count }, (_, i) => i);
}

/** The part of a batch that one rank or one micro-batch processes. */
export function sliceBatch(batch: PlannedBatch, start: number, end: number): PlannedBatch {
  return { images: batch.images.subarray(start, end), epochs: batch.epochs.subarray(start, end) };
}
