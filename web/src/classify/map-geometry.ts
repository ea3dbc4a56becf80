/** Locates the positions of a dense score map on the image. */
import type { Size } from '../../../src/serve/contract/common-schemas.ts';
import type { ClassMapResponse } from '../../../src/serve/contract/map-schemas.ts';
import { colorImage, drawable, viridis } from '../draw/colors.ts';

/** Where the values of a map are. Strides and windows are in pixels of the rescaled image. */
export type MapGrid = Pick<
  ClassMapResponse,
  'rescaled' | 'rows' | 'columns' | 'left' | 'top' | 'effectiveStride' | 'window'
>;

export interface Position {
  readonly row: number;
  readonly column: number;
}

/** The part of the image behind one value, in rescaled pixels. */
export function windowOf(map: MapGrid, { row, column }: Position): { x: number; y: number } & Size {
  const { left, top, effectiveStride: stride, window } = map;
  return { x: left + column * stride, y: top + row * stride, width: window, height: window };
}

/** The position whose window's center is nearest to a point, given in fractions of the image. */
export function positionAt(map: MapGrid, { x, y }: { readonly x: number; readonly y: number }): Position {
  const middle = map.window / 2;
  const nearest = (pixel: number, start: number, positions: number) =>
    Math.min(positions - 1, Math.max(0, Math.round((pixel - start - middle) / map.effectiveStride)));
  return {
    row: nearest(y * map.rescaled.height, map.top, map.rows),
    column: nearest(x * map.rescaled.width, map.left, map.columns),
  };
}

/**
 * Draws a map over the whole image: each value at the center of its window, linear interpolation between centers, and
 * constant values beyond the outermost ones.
 * @param values [rows, columns], 0 to 1
 */
export function drawMap(
  context: CanvasRenderingContext2D,
  { width, height }: Size,
  map: MapGrid,
  values: readonly number[],
  opacity: number,
): void {
  const { rows, columns, rescaled, effectiveStride } = map;
  const margin = Math.ceil(map.window / (2 * effectiveStride)) + 2;
  const [wide, high] = [columns + 2 * margin, rows + 2 * margin];
  const clamp = (at: number, positions: number) => Math.min(positions - 1, Math.max(0, at - margin));
  const extended = Float32Array.from({ length: wide * high }, (_, i) => {
    const row = clamp(Math.floor(i / wide), rows);
    return values[row * columns + clamp(i % wide, columns)]!;
  });
  const [across, down] = [width / rescaled.width, height / rescaled.height];
  const start = map.window / 2 - (margin + 0.5) * effectiveStride; // the extended map's corner, from the first window's
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'low'; // linear
  context.drawImage(
    drawable(colorImage(extended, wide, high, viridis)),
    (map.left + start) * across,
    (map.top + start) * down,
    wide * effectiveStride * across,
    high * effectiveStride * down,
  );
  context.restore();
}
