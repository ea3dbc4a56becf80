import type { RgbImage } from '../sources/source.ts';

/** What a typed array and its bookkeeping cost beside the pixels, measured in Node 20. */
const OVERHEAD = 300;
/** Once this many are in, it is clear how much of the set will fit. */
const ENOUGH_TO_TELL = 256;

/**
 * Decoded images in memory, up to a number of bytes. What is in stays in: under a random order that keeps
 * as many images at hand as any other rule, and needs no bookkeeping. If less than a tenth of the set
 * would fit, it is not worth its memory and everything is let go.
 */
export class DecodedCache {
  readonly #images = new Map<number, RgbImage>();
  readonly #count: number;
  readonly #budget: number;
  #bytes = 0;
  #closed: boolean;

  /** @param count images in the set @param budget bytes */
  constructor(count: number, budget: number) {
    this.#count = count;
    this.#budget = budget;
    this.#closed = budget <= 0;
  }

  /** Whether there is room, as far as is known. */
  get open(): boolean {
    return !this.#closed;
  }

  get(index: number): RgbImage | undefined {
    return this.#images.get(index);
  }

  add(index: number, image: RgbImage): void {
    if (this.#closed || this.#images.has(index)) return;
    // A view into a larger buffer (a source's, a pool's) would keep all of it alive.
    const owned = image.pixels.byteLength === image.pixels.buffer.byteLength;
    const bytes = image.pixels.byteLength + OVERHEAD;
    if (this.#bytes + bytes > this.#budget) {
      this.#closed = true;
      return;
    }
    this.#bytes += bytes;
    this.#images.set(index, owned ? image : { ...image, pixels: image.pixels.slice() });
    if (this.#images.size === ENOUGH_TO_TELL) this.#letGoIfPointless();
  }

  #letGoIfPointless(): void {
    const whole = (this.#bytes / this.#images.size) * this.#count;
    if (whole <= 10 * this.#budget) return;
    this.#images.clear();
    this.#closed = true;
  }
}
