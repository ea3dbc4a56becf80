/**
 * Images for testing (paper, 3.2): rescaled to smaller side Q, then used whole (dense evaluation) or as
 * crops. Prediction of single images and serving go through the same functions.
 */
import { defaultConcurrency, prefetch } from '../../core/concurrency.ts';
import type { ImageSource, RgbImage, StoredImage } from '../sources/source.ts';
import { type DecodeOptions, decodeStored } from './decode.ts';
import { rescaleImage } from './rescale.ts';

/** One image at every scale asked for. */
export interface EvaluationImage {
  readonly index: number;
  readonly name: string;
  /** −1 where there is none. */
  readonly label: number;
  /** The whole image, one for each scale, in the scales' order. */
  readonly scaled: readonly RgbImage[];
}

export interface EvaluationImagesOptions extends DecodeOptions {
  /** Values of Q. */
  readonly scales: readonly number[];
  /** Numbers of the images to load; undefined: all, in order. */
  readonly images?: Iterable<number>;
  /** Images prepared while one is used. */
  readonly ahead?: number;
}

/**
 * Decodes an image and rescales it to each Q.
 * @param name what error messages call it
 * @throws UserError naming the image
 */
export async function prepareForEvaluation(
  stored: StoredImage,
  name: string,
  scales: readonly number[],
  options: DecodeOptions = {},
): Promise<RgbImage[]> {
  const image = await decodeStored(stored, name, { ...options, largestSide: Math.max(...scales) });
  const scaled: RgbImage[] = [];
  for (const scale of scales) scaled.push(await rescaleImage(image, scale, name, options.maxPixels));
  return scaled;
}

/** Images in order, the next ones prepared while one is used. Fails with the UserError of an unusable one. */
export function loadForEvaluation(
  source: ImageSource,
  options: EvaluationImagesOptions,
): AsyncGenerator<EvaluationImage, void, undefined> {
  const images = options.images ?? numbersBelow(source.length);
  return prefetch(images, options.ahead ?? defaultConcurrency, async (index) => {
    const name = source.imageName(index);
    const scaled = await prepareForEvaluation(await source.read(index), name, options.scales, options);
    return { index, name, label: source.label(index), scaled };
  });
}

function* numbersBelow(count: number): Generator<number, void, undefined> {
  for (let i = 0; i < count; i++) yield i;
}
