/**
 * Loads images for testing (paper, 3.2): rescaled so that the smaller side is Q, then used whole (dense evaluation) or as
 * crops. Predicting single images and serving use the same functions.
 */
import { defaultConcurrency, prefetch } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import type { Rounding } from '../../core/image-preparation.ts';
import type { BadImage } from '../sources/bad-images.ts';
import type { ImageSource, RgbImage, StoredImage } from '../sources/image-source.ts';
import { type DecodeOptions, decodeStored } from './decode.ts';
import { rescaleImage } from './rescale.ts';

/** How models want images. */
export interface PreparationOptions extends DecodeOptions {
  /** Default `nearest`. */
  readonly rounding?: Rounding;
}

/** One image at every requested scale. */
export interface EvaluationImage {
  readonly index: number;
  readonly name: string;
  /** Class number, −1 for none. */
  readonly label: number;
  /** The whole image at each scale, in the order of the scales. */
  readonly scaled: readonly RgbImage[];
}

interface EvaluationImagesOptions extends PreparationOptions {
  /** Values of Q, in pixels. */
  readonly scales: readonly number[];
  /** Numbers of the images to load (default: all, in order). */
  readonly images?: Iterable<number>;
  /** Called for each image that cannot be used, which is then left out (default: the first one is an error). */
  readonly onBad?: (image: BadImage) => void;
  /** Images prepared while one is used (default: the number of CPU cores + 2). */
  readonly ahead?: number;
}

/**
 * Decodes an image and rescales it to each Q.
 * @param name the image's name in error messages
 * @throws UserError naming the image
 */
export async function prepareForEvaluation(
  stored: StoredImage,
  name: string,
  scales: readonly number[],
  options: PreparationOptions = {},
): Promise<RgbImage[]> {
  const image = await decodeStored(stored, name, { ...options, largestSide: Math.max(...scales) });
  const { original = { width: image.width, height: image.height } } = image;
  const scaled: RgbImage[] = [];
  for (const scale of scales) {
    const one = await rescaleImage(image, scale, name, options.maxPixels, options.rounding);
    scaled.push({ ...one, original });
  }
  return scaled;
}

/** Loads images in order and prepares the next ones meanwhile. @throws UserError naming an image that cannot be used. */
export async function* loadForEvaluation(
  source: ImageSource,
  options: EvaluationImagesOptions,
): AsyncGenerator<EvaluationImage, void, undefined> {
  const images = options.images ?? new Uint32Array(source.length).keys();
  const loaded = prefetch(images, options.ahead ?? defaultConcurrency, async (index) => {
    const name = source.imageName(index);
    try {
      const scaled = await prepareForEvaluation(await source.read(index), name, options.scales, options);
      return { index, name, label: source.label(index), scaled };
    } catch (error) {
      if (options.onBad === undefined || !(error instanceof UserError)) throw error;
      options.onBad({ index, message: error.message });
      return undefined;
    }
  });
  for await (const image of loaded) if (image !== undefined) yield image;
}
