/**
 * From what a browser draws to the pixels that networks see.
 *
 * The browser decodes, turns by EXIF and converts to sRGB; transparency shows white; rescaling is the project's own
 * (src/data/pixels/resample.ts), pixel for pixel what it is in Node. Decoders differ by a level or two out of 255 here and
 * there, and photographs that libjpeg shrinks while it decodes, in Node, by a little more.
 */
import { UserError } from '../core/errors.ts';
import { resample, rescaledSize } from '../data/pixels/resample.ts';
import type { RgbImage } from '../data/sources/source.ts';

/** An ImageBitmap, a canvas or an OffscreenCanvas: what `drawImage` takes and has its size in these two. */
export interface Drawable {
  readonly width: number;
  readonly height: number;
}

/** An image to look at: drawable, or pixels `[height, width, 3]`. */
export type WebImage = Drawable | RgbImage;

/** As much of a browser's drawing as is used here; the types of the DOM would offer themselves to all of src/. */
interface Canvas {
  getContext(kind: '2d', options: { willReadFrequently: boolean }): Context | null;
}
interface Context {
  fillStyle: string;
  fillRect(x: number, y: number, width: number, height: number): void;
  drawImage(image: Drawable, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
}
type Browser = { readonly OffscreenCanvas?: new (width: number, height: number) => Canvas };

/**
 * An image's pixels, of which nothing is shared.
 * @throws UserError when the browser does not give them.
 */
export function pixelsOf(image: WebImage): RgbImage {
  if ('pixels' in image) return image;
  const { width, height } = image;
  const { OffscreenCanvas } = globalThis as Browser;
  const context = OffscreenCanvas && new OffscreenCanvas(width, height).getContext('2d', CONTEXT);
  if (!context) throw new UserError('this browser gives no canvas to read pixels from');
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  return { width, height, pixels: withoutAlpha(context.getImageData(0, 0, width, height).data) };
}

/** Isotropic rescaling: the smaller side becomes `side`. */
export function rescaled(image: RgbImage, side: number): RgbImage {
  const { width, height } = rescaledSize(image.width, image.height, side);
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
