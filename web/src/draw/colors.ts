/**
 * Colour maps for values from 0 to 1. Both are perceptually uniform: equal steps of the value look like equal
 * steps, in grey and to people who do not tell red from green, too.
 */
import { interpolateMagma, interpolateViridis } from 'd3-scale-chromatic';

export type ColourMap = Uint8ClampedArray; // 256 × RGB

function colourMap(interpolate: (t: number) => string): ColourMap {
  const colours = new Uint8ClampedArray(3 * 256);
  for (let i = 0; i < 256; i++) colours.set(rgbOf(interpolate(i / 255)), 3 * i);
  return colours;
}

function rgbOf(colour: string): number[] {
  if (colour.startsWith('#')) return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return (colour.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

/** For probabilities over a picture. */
export const viridis: ColourMap = colourMap(interpolateViridis);
/** For activations: nothing is black. */
export const magma: ColourMap = colourMap(interpolateMagma);

/** Values of a map `[rows, columns]`, 0 to 1, as an opaque image. */
export function coloured(
  values: ArrayLike<number>,
  columns: number,
  rows: number,
  colours: ColourMap,
): ImageData {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < columns * rows; i++) {
    const level = 3 * Math.round(255 * Math.min(1, Math.max(0, values[i]!)));
    image.data.set([colours[level]!, colours[level + 1]!, colours[level + 2]!, 255], 4 * i);
  }
  return image;
}

/** An image as something that can be drawn at any size. */
export function drawable(image: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}
