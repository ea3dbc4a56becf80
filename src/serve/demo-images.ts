/** Some labeled images of a data set, for visitors who want to try training but have no images. */
import { basename, resolve } from 'node:path';
import { defaultConcurrency, mapConcurrently } from '../core/concurrency.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { decodeStored } from '../data/pixels/decode.ts';
import { rescaleImage } from '../data/pixels/rescale.ts';
import type { ImageSource, RgbImage } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import type { DemoImagesResponse } from './contract/model-schemas.ts';

/** Enough images to learn from, in a few megabytes. */
const MAX_IMAGES = 2500;
/** Largest side of the images in pixels. */
const MAX_SIDE = 40;

export class DemoImages {
  readonly name: string;
  readonly #folder: string;
  #loaded: Promise<DemoImagesResponse> | undefined;

  /** @param folder a data set, whose training images are used */
  constructor(folder: string) {
    this.#folder = folder;
    this.name = basename(resolve(folder));
  }

  /** Decodes the images at the first request and caches them. @throws UserError when that fails. */
  load(): Promise<DemoImagesResponse> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #load(): Promise<DemoImagesResponse> {
    const source = await openImages(this.#folder, { split: 'train' });
    const order = permutation(source.length, deriveKeys(keyOfSeed(1), 'demo images'));
    const numbers = [...order.slice(0, MAX_IMAGES).sort()];
    const first = await decode(source, numbers[0]!);
    const side = Math.min(MAX_SIDE, first.width, first.height);
    const squares = await mapConcurrently(numbers, defaultConcurrency, async (number) =>
      centerSquare(await rescaleImage(await decode(source, number), side, source.imageName(number)), side),
    );
    const channels = squares.every(isGray) ? 1 : 3;
    const bytes = squares.map((pixels) => (channels === 3 ? pixels : pixels.filter((_, i) => i % 3 === 0)));
    return {
      name: this.name,
      classes: [...source.classes],
      labels: [...source.labels],
      width: side,
      height: side,
      channels,
      imageLabels: numbers.map((number) => source.label(number)),
      pixels: Buffer.concat(bytes).toString('base64'),
    };
  }
}

async function decode(source: ImageSource, number: number): Promise<RgbImage> {
  return decodeStored(await source.read(number), source.imageName(number), { largestSide: MAX_SIDE });
}

/** The center square. @returns `[side, side, 3]` */
function centerSquare({ width, height, pixels }: RgbImage, side: number): Uint8Array {
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)];
  const square = new Uint8Array(3 * side * side);
  for (let y = 0; y < side; y++) {
    const from = 3 * ((top + y) * width + left);
    square.set(pixels.subarray(from, from + 3 * side), 3 * y * side);
  }
  return square;
}

function isGray(pixels: Uint8Array): boolean {
  return pixels.every((value, i) => value === pixels[i - (i % 3)]);
}
