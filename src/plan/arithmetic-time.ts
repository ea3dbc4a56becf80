/** Predicts how long arithmetic takes: operations divided by a machine's measured speed. */
import { forwardFlops, imageFlops } from '../net/cost.ts';
import type { Network } from '../net/network.ts';

/** A machine's speed in 10⁹ operations of direct convolution per second. */
export interface Speed {
  readonly inferenceGflops: number;
  readonly trainingGflops: number;
}

/** Seconds to train on one image. */
export function trainingTime(network: Network, { trainingGflops }: Speed): number {
  return imageFlops(network).training / trainingGflops / 1e9;
}

/** Photographs are usually 4:3. */
const ASPECT = 4 / 3;
/** Crops at each scale: a 5×5 grid and its mirror images (section 3.2). */
const GRID_CROPS = 50;

/**
 * Seconds to evaluate one image.
 * @param views how the image is evaluated at each scale: densely with its mirror image, by the grid of crops, or by
 * its center crop
 * @param scales smaller sides Q, in pixels
 */
export function evaluationTime(
  network: Network,
  views: readonly ('center' | 'crops' | 'dense')[],
  scales: readonly number[],
  { inferenceGflops }: Speed,
): number {
  const flopsAt = (scale: number) => ({
    center: forwardFlops(network),
    crops: GRID_CROPS * forwardFlops(network),
    dense: 2 * forwardFlops(network, scale, Math.round(scale * ASPECT)),
  });
  const flops = scales.flatMap((scale) => views.map((view) => flopsAt(scale)[view]));
  return flops.reduce((sum, count) => sum + count, 0) / inferenceGflops / 1e9;
}
