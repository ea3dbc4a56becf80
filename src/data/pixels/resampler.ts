/** Rescaling in Node: resample.ts's pixels, computed by the addon native/images, at once or on another thread. */

import type { RgbImage } from '../sources/source.ts';
import { imageAddon, QUICK_PIXELS, type ResampleJob, type TapArrays } from './image-addon.ts';
import { type Taps, tapsFor, type Window, wholeWindow } from './resample.ts';
import type { Size } from './rescaled-size.ts';

export function isQuick(from: Size, window: Size): boolean {
  return from.width * from.height + window.width * window.height <= QUICK_PIXELS;
}

/** Resamples to `size`, of which it returns the window. */
export function resampleNow(image: RgbImage, size: Size, window = wholeWindow(size)): RgbImage {
  const { width, height } = window;
  return { width, height, pixels: imageAddon().resample(...jobOf(image, size, window)) };
}

/** The same on another thread. */
export async function resampleLater(
  image: RgbImage,
  size: Size,
  window = wholeWindow(size),
): Promise<RgbImage> {
  const { width, height } = window;
  return { width, height, pixels: await imageAddon().resampleLater(...jobOf(image, size, window)) };
}

function jobOf({ pixels, width, height }: RgbImage, size: Size, window: Window): ResampleJob {
  const across = arraysOf(tapsFor(width, size.width));
  const down = arraysOf(tapsFor(height, size.height));
  return [pixels, width, height, across, down, window.left, window.top, window.width, window.height];
}

function arraysOf({ starts, counts, weights }: Taps): TapArrays {
  return [starts, counts, weights];
}
