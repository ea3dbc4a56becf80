/**
 * Isotropic rescaling, the same in training, evaluation and serving (paper, 3.1 and 3.2): the whole image
 * so that its smaller side is S (training) or Q (testing).
 *
 * The filter is a triangle as wide as the larger of the two pixel sizes (resample.ts). What is rescaled is the image as
 * decode.ts gives it, which depends on its size and the largest S or Q alone: not on what a cache happened to hold.
 */
import { UserError } from '../../core/errors.ts';
import type { RgbImage } from '../sources/source.ts';
import { DEFAULT_MAX_PIXELS } from './max-pixels.ts';
import { wholeWindow } from './resample.ts';
import { isQuick, resampleLater, resampleNow } from './resampler.ts';
import { rescaledSize, type Size } from './rescaled-size.ts';

/**
 * Rescales isotropically.
 * @param side S or Q: the smaller side of the result
 * @param name what error messages call the image
 * @throws UserError naming the image when the result would have more than maxPixels
 */
export async function rescaleImage(
  image: RgbImage,
  side: number,
  name: string,
  maxPixels?: number,
): Promise<RgbImage> {
  const size = checkedSize(image, side, name, maxPixels);
  if (isSameSize(image, size)) return image;
  return isQuick(image, wholeWindow(size)) ? resampleNow(image, size) : resampleLater(image, size);
}

export { rescaledSize, type Size };

export function isSameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

/**
 * The size after rescaling. An image of 1×100,000 pixels is small until its smaller side becomes 256.
 * @throws UserError naming the image when that has more than maxPixels
 */
export function checkedSize(
  { original, ...decoded }: Size & Pick<RgbImage, 'original'>,
  side: number,
  name: string,
  maxPixels: number = DEFAULT_MAX_PIXELS,
): Size {
  const image = original ?? decoded;
  const size = rescaledSize(image.width, image.height, side);
  if (size.width * size.height <= maxPixels) return size;
  throw new UserError(
    `${name} (${image.width}×${image.height}) would have ${size.width}×${size.height} pixels when rescaled, more than the limit of ${maxPixels.toLocaleString('en-US')}; crop it or leave it out`,
  );
}
