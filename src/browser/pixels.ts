/**
 * Converts anything that a browser can draw to a network's input pixels.
 *
 * The browser decodes the image, applies the EXIF orientation and converts to sRGB. Transparency becomes white.
 * src/data/pixels/resample.ts rescales, so it gives the same pixels as in Node. Decoders differ in places by one or two
 * levels of 255, and by a little more for JPEGs that Node's libjpeg shrinks during decoding.
 */

import { UserError } from '../core/errors.ts';
import type { Rounding } from '../core/image-preparation.ts';
import { resample, rescaledSize } from '../data/pixels/resample.ts';
import type { RgbImage } from '../data/sources/image-source.ts';

/** An ImageBitmap, a canvas or an OffscreenCanvas: anything that `drawImage` accepts and that has its size in pixels. */
export interface Drawable {
  readonly width: number;
  readonly height: number;
}

/** An image: drawable, or RGB pixels `[height, width, 3]`, 0–255. */
export type WebImage = Drawable | RgbImage;

/** The parts of the canvas interface used here; importing the DOM's types would make them visible in all of src/. */
interface Canvas {
  getContext(kind: '2d', options: { willReadFrequently: boolean }): Context2d | null;
}
interface Context2d {
  fillStyle: string;
  fillRect(x: number, y: number, width: number, height: number): void;
  drawImage(image: Drawable, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
}
type Browser = { readonly OffscreenCanvas?: new (width: number, height: number) => Canvas };

/**
 * Reads an image's pixels. RGB pixels are returned as they are.
 * @throws UserError when the browser has no OffscreenCanvas
 * @example
 * const { width, height, pixels } = pixelsOf(await createImageBitmap(file));
 */
export function pixelsOf(image: WebImage): RgbImage {
  if ('pixels' in image) return image;
  const { width, height } = image;
  const { OffscreenCanvas } = globalThis as Browser;
  const context = OffscreenCanvas && new OffscreenCanvas(width, height).getContext('2d', CONTEXT);
  if (!context)
    throw new UserError('this browser has no OffscreenCanvas to read pixels from: use a current version');
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  return { width, height, pixels: withoutAlpha(context.getImageData(0, 0, width, height).data) };
}

/** Isotropic rescaling: the smaller side becomes `side` pixels. */
export function rescaled(image: RgbImage, side: number, rounding?: Rounding): RgbImage {
  const { width, height } = rescaledSize(image.width, image.height, side, rounding);
  return width === image.width && height === image.height ? image : resample(image, width, height);
}

const CONTEXT = { willReadFrequently: true };

function withoutAlpha(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from]!;
    rgb[to++] = rgba[from + 1]!;
    rgb[to++] = rgba[from + 2]!;
  }
  return rgb;
}
