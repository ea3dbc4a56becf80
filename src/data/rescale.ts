/**
 * Isotropic rescaling, the same in training, evaluation and serving (paper, 3.1 and 3.2): the whole image
 * so that its smaller side is S (training) or Q (testing).
 *
 * The filter is a triangle as wide as the larger of the two pixel sizes ("bilinear" that averages when it
 * shrinks, as in PIL, with which the published PyTorch weights were tested). What is rescaled is the image as
 * decode.ts gives it, which depends on its size and the largest S or Q alone: not on what a cache happened to hold.
 *
 * libvips shrinks, on its own threads. It does not enlarge here: it displaces the result by half a pixel,
 * so that an image and its mirror image would not agree. resample.ts does that, and small images, for which
 * a call into libvips costs more than the arithmetic. Which of the two is a matter of the sizes alone.
 */
import sharp from 'sharp';
import { UserError } from '../core/errors.ts';
import { DEFAULT_MAX_PIXELS } from './max-pixels.ts';
import { resample } from './resample.ts';
import { rescaledSize, type Size } from './rescaled-size.ts';
import type { RgbImage } from './source.ts';

/** Up to this many pixels a call into libvips costs more than the arithmetic. */
const SMALL = 96 * 96;

/** Whether rescaling between these sizes is resample.ts's work, done at once and also for a window alone. */
export function isResampledHere(from: Size, to: Size): boolean {
  return to.width > from.width || to.height > from.height || from.width * from.height <= SMALL;
}

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
  if (isResampledHere(image, size)) return resample(image, size.width, size.height);
  const pixels = await sharp(image.pixels, {
    raw: { width: image.width, height: image.height, channels: 3 },
    limitInputPixels: false,
  })
    .resize({ ...size, fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  return { ...size, pixels };
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
