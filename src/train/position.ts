import { deriveKeys, type Key, permutation } from '../core/random.ts';

/** Images of one epoch that stand next to each other in a batch. */
export interface PlannedImages {
  readonly epoch: number;
  readonly images: Uint32Array;
}

/**
 * The endless sequence of training images: epoch after epoch, each in its own order. Batches are cut from it
 * one after the other, across the ends of epochs, as Caffe does, so that every batch is full. The place in
 * it is a function of the iteration alone: a resumed run or another rank finds it without any state.
 */
export class ImageSequence {
  readonly #count: number;
  readonly #shuffleKey: Key | undefined;
  #cached: { epoch: number; order: Uint32Array } | undefined;

  /** @param seedKey without it, images come in the source's order. */
  constructor(count: number, seedKey?: Key) {
    this.#count = count;
    this.#shuffleKey = seedKey && deriveKeys(seedKey, 'shuffle');
  }

  /** The images from `start` to `start + length`, in pieces of at most `pieceLength`, none across an epoch's end. */
  *pieces(start: number, length: number, pieceLength: number): Generator<PlannedImages> {
    const end = start + length;
    for (let position = start; position < end; ) {
      const epoch = Math.floor(position / this.#count);
      const offset = position - epoch * this.#count;
      const taken = Math.min(pieceLength, end - position, this.#count - offset);
      yield { epoch, images: this.#order(epoch).slice(offset, offset + taken) };
      position += taken;
    }
  }

  #order(epoch: number): Uint32Array {
    if (this.#cached?.epoch !== epoch) {
      const order = this.#shuffleKey
        ? permutation(this.#count, deriveKeys(this.#shuffleKey, epoch))
        : Uint32Array.from({ length: this.#count }, (_, index) => index);
      this.#cached = { epoch, order };
    }
    return this.#cached.order;
  }
}
