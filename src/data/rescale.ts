/**
 * Isotropic rescaling, the same in training, evaluation and serving (paper, 3.1 and 3.2): the whole image
 * so that its smaller side is S (training) or Q (testing).
 *
 * The filter is a triangle as wide as the larger of the two pixel sizes ("bilinear" that averages when it
 * shrinks, as in PIL, with which the published PyTorch weights were tested). An image is always decoded
 * whole and then rescaled: decoders can shrink while they decode, but then the same image would differ
 * with what the cache happened to hold.
 */
import sharp from 'sharp';
import { UserError } from '../core/errors.ts';
import { DEFAULT_MAX_PIXELS } from './decode.ts';
import { resample } from './resample.ts';
import type { RgbImage } from './source.ts';

/** Up to this many pixels a call into libvips costs more than the arithmetic. */
const SMALL = 96 * 96;

/**
 * The size after rescaling: the smaller side is exactly `side`, the other keeps the aspect ratio, rounded
 * to whole pixels (halves up).
 */
export function rescaledSize(width: number, height: number, side: number): { width: number; height: number } {
  return width <= height
    ? { width: side, height: Math.max(side, Math.round((height * side) / width)) }
    : { width: Math.max(side, Math.round((width * side) / height)), height: side };
}

/** Whether rescaleImage answers at once, without libvips. */
export function rescalesAtOnce(image: RgbImage, side: number): boolean {
  const size = rescaledSize(image.width, image.height, side);
  return isSame(image, size) || (pixelsOf(image) <= SMALL && pixelsOf(size) <= SMALL);
}

/** Rescales an image for which rescalesAtOnce. @param side the smaller side of the result */
export function rescaleAtOnce(image: RgbImage, side: number): RgbImage {
  const size = rescaledSize(image.width, image.height, side);
  return isSame(image, size) ? image : resample(image, size.width, size.height);
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
  maxPixels: number = DEFAULT_MAX_PIXELS,
): Promise<RgbImage> {
  if (rescalesAtOnce(image, side)) return rescaleAtOnce(image, side);
  const { width, height } = rescaledSize(image.width, image.height, side);
  if (width * height > maxPixels) {
    throw new UserError(
      `${name} (${image.width}×${image.height}) would have ${width}×${height} pixels at scale ${side}, more than the limit of ${maxPixels.toLocaleString('en-US')}; crop it or leave it out`,
    );
  }
  const pixels = await sharp(image.pixels, {
    raw: { width: image.width, height: image.height, channels: 3 },
    limitInputPixels: false,
  })
    .resize({ width, height, fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  return { width, height, pixels };
}

function isSame(image: RgbImage, size: { width: number; height: number }): boolean {
  return image.width === size.width && image.height === size.height;
}

function pixelsOf(size: { width: number; height: number }): number {
  return size.width * size.height;
}
