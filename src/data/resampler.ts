/** Rescaling in Node: resample.ts's pixels, computed by the addon native/images, at once or on another thread. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, UserError } from '../core/errors.ts';
import { projectFolder } from '../core/project.ts';
import { type Taps, tapsFor, type Window, wholeWindow } from './resample.ts';
import type { Size } from './rescaled-size.ts';
import type { RgbImage } from './source.ts';

type TapArrays = readonly [starts: Int32Array, counts: Int32Array, weights: Int32Array];
type Job = [
  pixels: Uint8Array,
  width: number,
  height: number,
  across: TapArrays,
  down: TapArrays,
  left: number,
  top: number,
  columns: number,
  rows: number,
];

/** Rechecks memory safety only. */
interface ImageAddon {
  resample(...job: Job): Uint8Array;
  /** On a thread of libuv's. */
  resampleLater(...job: Job): Promise<Uint8Array>;
}

let loaded: ImageAddon | undefined;

/** What is this quick is done at once: another thread would take longer to hear of it. */
const QUICK_PIXELS = 2 ** 16;

export function isQuick(from: Size, window: Size): boolean {
  return from.width * from.height + window.width * window.height <= QUICK_PIXELS;
}

/** Resamples to `size`, of which it returns the window. */
export function resampleNow(image: RgbImage, size: Size, window = wholeWindow(size)): RgbImage {
  const { width, height } = window;
  return { width, height, pixels: addon().resample(...jobOf(image, size, window)) };
}

/** The same on another thread. */
export async function resampleLater(
  image: RgbImage,
  size: Size,
  window = wholeWindow(size),
): Promise<RgbImage> {
  const { width, height } = window;
  return { width, height, pixels: await addon().resampleLater(...jobOf(image, size, window)) };
}

function jobOf({ pixels, width, height }: RgbImage, size: Size, window: Window): Job {
  const across = arraysOf(tapsFor(width, size.width));
  const down = arraysOf(tapsFor(height, size.height));
  return [pixels, width, height, across, down, window.left, window.top, window.width, window.height];
}

function arraysOf({ starts, counts, weights }: Taps): TapArrays {
  return [starts, counts, weights];
}

/** @throws UserError when it has not been built. */
function addon(): ImageAddon {
  if (loaded) return loaded;
  const file = join(projectFolder, 'build/images/verydeep_images.node');
  try {
    loaded = createRequire(import.meta.url)(file) as ImageAddon;
    return loaded;
  } catch (error) {
    throw new UserError(
      `the addon for images does not load (${messageOf(error).split('\n')[0]}); build it with \`npm run setup\``,
      { cause: error },
    );
  }
}
