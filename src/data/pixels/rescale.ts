/**
 * Rescales images isotropically so that the smaller side is S (training) or Q (testing); training, evaluation and
 * serving do the same (paper, 3.1 and 3.2). The pixels are those of resample.ts, computed by the addon native/images,
 * synchronously or on another thread; without the addon, by resample.ts itself.
 *
 * The input is the image as returned by decode.ts, which depends only on the file and the largest S or Q, not on the
 * state of a cache.
 */
import { UserError } from '../../core/errors.ts';
import type { Rounding } from '../../core/image-preparation.ts';
import type { RgbImage } from '../sources/image-source.ts';
import { imageAddon, QUICK_PIXELS, type ResampleJob, type TapArrays } from './image-addon.ts';
import { DEFAULT_MAX_PIXELS } from './image-formats.ts';
import {
  resample,
  rescaledSize,
  type Size,
  type Taps,
  tapsFor,
  type Window,
  wholeWindow,
} from './resample.ts';

/**
 * Rescales isotropically.
 * @param side S or Q: the smaller side of the result, in pixels
 * @param name the image's name in error messages
 * @throws UserError naming the image when the result would have more than maxPixels
 */
export async function rescaleImage(
  image: RgbImage,
  side: number,
  name: string,
  maxPixels?: number,
  rounding?: Rounding,
): Promise<RgbImage> {
  const size = checkedSize(image, side, name, maxPixels, rounding);
  if (isSameSize(image, size)) return image;
  return isQuick(image, wholeWindow(size)) ? resampleNow(image, size) : resampleLater(image, size);
}

export function isSameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

/**
 * The size after rescaling, which may be huge: an image of 1×100,000 pixels is small until its smaller side becomes 256.
 * @throws UserError naming the image when the size has more than maxPixels
 */
export function checkedSize(
  { original, ...decoded }: Size & Pick<RgbImage, 'original'>,
  side: number,
  name: string,
  maxPixels: number = DEFAULT_MAX_PIXELS,
  rounding?: Rounding,
): Size {
  const image = original ?? decoded;
  const size = rescaledSize(image.width, image.height, side, rounding);
  if (size.width * size.height <= maxPixels) return size;
  throw new UserError(
    `${name} (${image.width}×${image.height}) would have ${size.width}×${size.height} pixels when rescaled, more than the limit of ${maxPixels.toLocaleString('en-US')}; crop it or leave it out`,
  );
}

/** Whether resampling takes less time than handing it to another thread. */
export function isQuick(from: Size, window: Size): boolean {
  return from.width * from.height + window.width * window.height <= QUICK_PIXELS;
}

/** Resamples to `size` and returns a window of the result. */
export function resampleNow(image: RgbImage, size: Size, window = wholeWindow(size)): RgbImage {
  const addon = imageAddon();
  if (!addon) return resample(image, size.width, size.height, window);
  const { width, height } = window;
  return { width, height, pixels: addon.resample(...jobOf(image, size, window)) };
}

/** Like `resampleNow`, but on another thread. */
export async function resampleLater(
  image: RgbImage,
  size: Size,
  window = wholeWindow(size),
): Promise<RgbImage> {
  const addon = imageAddon();
  if (!addon) return resample(image, size.width, size.height, window);
  const { width, height } = window;
  return { width, height, pixels: await addon.resampleLater(...jobOf(image, size, window)) };
}

function jobOf({ pixels, width, height }: RgbImage, size: Size, window: Window): ResampleJob {
  const across = arraysOf(tapsFor(width, size.width));
  const down = arraysOf(tapsFor(height, size.height));
  return [pixels, width, height, across, down, window.left, window.top, window.width, window.height];
}

function arraysOf({ starts, counts, weights }: Taps): TapArrays {
  return [starts, counts, weights];
}
