/** Keeps decoded images in memory, for sets that are used repeatedly. */
import type { ImageSource, RgbImage } from '../sources/image-source.ts';
import { type DecodeOptions, decodeStored } from './decode.ts';

/** Bytes that a typed array and its bookkeeping take besides the pixels, measured in Node 20. */
const OVERHEAD = 300;
/** After this many images it is clear what share of the set will fit. */
const ENOUGH_TO_TELL = 256;

/**
 * A cache of decoded images, limited in bytes. It never evicts: if images are read in random order, that keeps as many
 * of them available as any other policy, without bookkeeping; an LRU cache would never hit if a set is read in order and
 * does not fit. If less than a tenth of the set would fit, the cache is not worth its memory and drops everything.
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

  /** Whether there is room for more images, as far as is known. */
  get open(): boolean {
    return !this.#closed;
  }

  get(index: number): RgbImage | undefined {
    return this.#images.get(index);
  }

  add(index: number, image: RgbImage): void {
    if (this.#closed || this.#images.has(index)) return;
    const bytes = image.pixels.byteLength + OVERHEAD;
    if (this.#bytes + bytes > this.#budget) {
      this.#closed = true;
      return;
    }
    this.#bytes += bytes;
    // A view into a larger buffer (a source's or a pool's) would keep that whole buffer alive.
    const owned = image.pixels.byteLength === image.pixels.buffer.byteLength;
    this.#images.set(index, owned ? image : { ...image, pixels: image.pixels.slice() });
    if (this.#images.size === ENOUGH_TO_TELL) this.#dropIfPointless();
  }

  #dropIfPointless(): void {
    const whole = (this.#bytes / this.#images.size) * this.#count;
    if (whole <= 10 * this.#budget) return;
    this.#images.clear();
    this.#closed = true;
  }
}

/**
 * A source that decodes each image once and keeps it, as far as memory allows.
 * @param bytes memory for decoded images
 */
export function keepDecoded(source: ImageSource, bytes: number, options: DecodeOptions = {}): ImageSource {
  const cache = new DecodedCache(source.length, bytes);
  return {
    ...source,
    read: async (index) => {
      const kept = cache.get(index);
      if (kept) return { kind: 'pixels', image: kept };
      const stored = await source.read(index);
      if (!cache.open) return stored;
      const image = await decodeStored(stored, source.imageName(index), options);
      cache.add(index, image);
      return { kind: 'pixels', image };
    },
  };
}
