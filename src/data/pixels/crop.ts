/** Converts 8-bit pixels to the network's input: planes of floats, RGB, 0–255 minus the mean (paper, 2.1). */
import type { Rounding } from '../../core/image-preparation.ts';
import type { Rgb } from '../../core/shape.ts';
import type { RgbImage } from '../sources/image-source.ts';
import { type Window, wholeWindow } from './resample.ts';

/** A square part of an image. */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly size: number;
  /** Mirrored left to right. */
  readonly flip: boolean;
}

/** The square in the center, or half a pixel to the top left where it cannot be exactly centered. */
export function centerCrop(
  width: number,
  height: number,
  size: number,
  { flip = false, rounding = 'nearest' }: { readonly flip?: boolean; readonly rounding?: Rounding } = {},
): Crop {
  const start = (extent: number) => {
    const half = (extent - size) / 2;
    return rounding === 'nearest' || Number.isInteger(half) ? Math.floor(half) : 2 * Math.round(half / 2);
  };
  return { left: start(width), top: start(height), size, flip };
}

/**
 * Writes a crop as `[3, size, size]` planes of pixel − subtract.
 * @param subtract the mean RGB, minus the color shift if there is one
 * @param output receives 3 · size² floats from `offset` on
 * @throws RangeError when the crop reaches beyond the image
 */
export function writeCrop(
  image: RgbImage,
  crop: Crop,
  subtract: Rgb,
  output: Float32Array,
  offset: number,
): void {
  const { left, top, size, flip } = crop;
  writeWindow(image, { left, top, width: size, height: size }, flip, subtract, output, offset);
}

/** An image, or a window of it, as `[3, height, width]` planes of pixel − mean. */
export function imagePlanes(image: RgbImage, mean: Rgb, window = wholeWindow(image)): Float32Array {
  const planes = new Float32Array(3 * window.width * window.height);
  writeWindow(image, window, false, mean, planes, 0);
  return planes;
}

/**
 * Writes a window of an image as `[3, height, width]` planes of pixel − subtract.
 * @param flip mirrors the window left to right
 * @param output receives 3 · height · width floats from `offset` on
 * @throws RangeError when the window reaches beyond the image
 */
export function writeWindow(
  image: RgbImage,
  { left, top, width, height }: Window,
  flip: boolean,
  subtract: Rgb,
  output: Float32Array,
  offset: number,
): void {
  const { pixels } = image;
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    throw new RangeError(
      `${width}×${height} at ${left},${top} reaches beyond ${image.width}×${image.height}`,
    );
  }
  const [red, green, blue] = subtract;
  const plane = width * height;
  const step = flip ? -3 : 3;
  let at = offset;
  for (let y = 0; y < height; y++) {
    let from = ((top + y) * image.width + left + (flip ? width - 1 : 0)) * 3;
    for (const end = at + width; at < end; at++, from += step) {
      output[at] = pixels[from]! - red;
      output[at + plane] = pixels[from + 1]! - green;
      output[at + 2 * plane] = pixels[from + 2]! - blue;
    }
  }
}
