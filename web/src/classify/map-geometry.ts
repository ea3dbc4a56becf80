/** Where the positions of a dense score map lie on the image. */
import { coloured, drawable, viridis } from '../draw/colors.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface MapGrid {
  readonly rows: number;
  readonly columns: number;
  /** Of the image that the network saw; strides and windows are in its pixels. */
  readonly rescaled: Size;
  readonly effectiveStride: number;
  /** Side of what a position sees, without what the padding adds: the training crop. */
  readonly window: number;
}

export interface Position {
  readonly row: number;
  readonly column: number;
}

/** What a position sees, in rescaled pixels. */
export function windowOf(map: MapGrid, { row, column }: Position): { x: number; y: number } & Size {
  const { effectiveStride: stride, window } = map;
  return { x: column * stride, y: row * stride, width: window, height: window };
}

/** The position whose window's middle is nearest to a point, in fractions of the image. */
export function positionAt(map: MapGrid, { x, y }: { readonly x: number; readonly y: number }): Position {
  const middle = map.window / 2;
  const nearest = (pixel: number, positions: number) =>
    Math.min(positions - 1, Math.max(0, Math.round((pixel - middle) / map.effectiveStride)));
  return {
    row: nearest(y * map.rescaled.height, map.rows),
    column: nearest(x * map.rescaled.width, map.columns),
  };
}

/**
 * Draws a map over all of the image: each value in the middle of its window, linear between them, and as at the
 * outermost ones beyond.
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
  const start = map.window / 2 - (margin + 0.5) * effectiveStride; // the extended map's corner
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'low'; // linear
  context.drawImage(
    drawable(coloured(extended, wide, high, viridis)),
    start * across,
    start * down,
    wide * effectiveStride * across,
    high * effectiveStride * down,
  );
  context.restore();
}
