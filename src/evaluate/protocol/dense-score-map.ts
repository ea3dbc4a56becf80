/**
 * The class score map of dense evaluation (paper, 3.2). The network runs over the rescaled image. Its fully connected
 * layers are convolutions, so it gives one vector of class scores for each position, each computed from a window of the
 * training crop's size.
 */
import type { Layer } from '../../core/layer.ts';
import { type Size, type Window, wholeWindow } from '../../data/pixels/resample.ts';
import { softmax } from './softmax.ts';

/**
 * The part of an image that layers see. Pooling that rounds down ignores up to stride − 1 pixels at the right and at the
 * bottom; these are left out on both sides instead, so that what remains is centered. Half a pixel more is left out at
 * the right and at the bottom where it cannot be. Pooling that rounds up sees the whole image. A network that pools the
 * last map before its classifier gets the whole image too, as its makers run it.
 */
export function denseWindow(layers: readonly Layer[], { width, height }: Size): Window {
  if (layers.some(({ kind }) => kind === 'adaptivePool')) return wholeWindow({ width, height });
  const stride = 2 ** layers.filter((layer) => layer.kind === 'maxPool' && layer.rounding === 'floor').length;
  const [left, columns] = centered(width, stride);
  const [top, rows] = centered(height, stride);
  return { left, top, width: columns, height: rows };
}

/** An extent below the stride is left as it is, for the message that the image is too small. */
function centered(extent: number, stride: number): [start: number, length: number] {
  const rim = extent < stride ? 0 : extent % stride;
  return [Math.floor(rim / 2), extent - rim];
}

/**
 * The class scores averaged over positions, before the soft-max, in double precision.
 * @param map `[classes, height, width]`
 * @returns `[classes]`
 */
export function averageOverPositions(map: Float32Array, classes: number): Float64Array {
  const positions = map.length / classes;
  const mean = new Float64Array(classes);
  for (let c = 0, at = 0; c < classes; c++) {
    let sum = 0;
    for (const end = at + positions; at < end; at++) sum += map[at]!;
    mean[c] = sum / positions;
  }
  return mean;
}

/** `[classes, rows, columns]` */
interface PositionScores {
  readonly scores: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/**
 * The soft-max at each position, for some classes.
 * @param mirrored whether the columns run from right to left
 * @returns for each of `wanted` rows × columns values
 */
export function positionPosteriors(
  { scores, rows, columns }: PositionScores,
  wanted: readonly number[],
  mirrored = false,
): Float64Array[] {
  const positions = rows * columns;
  const classes = scores.length / positions;
  const maps = wanted.map(() => new Float64Array(positions));
  for (let position = 0; position < positions; position++) {
    const posteriors = softmax(
      Float32Array.from({ length: classes }, (_, c) => scores[c * positions + position]!),
    );
    const column = position % columns;
    const at = mirrored ? position - column + (columns - 1 - column) : position;
    for (const [i, c] of wanted.entries()) maps[i]![at] = posteriors[c]!;
  }
  return maps;
}
