/**
 * Color maps for values from 0 to 1. Both are perceptually uniform: equal steps of the value look like equal steps, also
 * in grayscale and with red-green color blindness.
 */
import { interpolateMagma, interpolateViridis } from 'd3-scale-chromatic';

export type ColorMap = Uint8ClampedArray; // 256 × RGB

function colorMap(interpolate: (t: number) => string): ColorMap {
  const colors = new Uint8ClampedArray(3 * 256);
  for (let i = 0; i < 256; i++) colors.set(rgbOf(interpolate(i / 255)), 3 * i);
  return colors;
}

function rgbOf(color: string): number[] {
  if (color.startsWith('#')) return [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  return (color.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

/** For probabilities. */
export const viridis: ColorMap = colorMap(interpolateViridis);
/** For activations: 0 is black. */
export const magma: ColorMap = colorMap(interpolateMagma);

/** Renders a map `[rows, columns]` of values from 0 to 1 as an opaque image. */
export function colorImage(
  values: ArrayLike<number>,
  columns: number,
  rows: number,
  colors: ColorMap,
): ImageData {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < columns * rows; i++) {
    const level = 3 * Math.round(255 * Math.min(1, Math.max(0, values[i]!)));
    image.data.set([colors[level]!, colors[level + 1]!, colors[level + 2]!, 255], 4 * i);
  }
  return image;
}

/** Pixels as a source for `drawImage`, which can scale them. */
export function drawable(image: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}
