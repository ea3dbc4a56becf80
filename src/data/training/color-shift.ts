/**
 * Krizhevsky's color shift (Krizhevsky et al. 2012, 4.1; VGG paper, 3.1): to every pixel of an image add Σ pᵢ αᵢ λᵢ,
 * where pᵢ are the principal axes of the training set's RGB values and αᵢ ~ N(0, 0.1) is drawn once for each image.
 *
 * The paper calls λᵢ the eigenvalue of the covariance matrix. In units of 0–255 that is a variance of about 10,000, and
 * a shift of 1,000 levels would obliterate the image; the formula would also differ for pixels of 0–1.
 * Krizhevsky's own program (cuda-convnet, where the factors are named `color_stdevs`) uses standard deviations, the
 * square roots, and so does verydeep: about ±10 of 255 levels along the first axis, which is mostly brightness, in any
 * unit.
 */
import type { RandomStream } from '../../core/random.ts';
import type { Rgb } from '../../core/shape.ts';

/** Standard deviation of α. */
const ALPHA = 0.1;

/** Principal axes of RGB values, the one with the largest deviation first. */
export interface ColorAxes {
  /** Unit vectors p₁, p₂, p₃. */
  readonly directions: readonly [Rgb, Rgb, Rgb];
  /** λ₁, λ₂, λ₃: standard deviations along the axes, in units of 0–255. */
  readonly deviations: Rgb;
}

/** Standard deviation of the RGB values around their mean, over the three channels together, in units of 0–255. */
export function inputDeviation({ deviations }: ColorAxes): number {
  return Math.hypot(...deviations) / Math.sqrt(3);
}

/** One shift, in units of 0–255. */
export function drawColorShift(axes: ColorAxes, random: RandomStream): Rgb {
  const shift: [number, number, number] = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    const length = ALPHA * random.normal() * axes.deviations[axis]!;
    for (let channel = 0; channel < 3; channel++)
      shift[channel]! += length * axes.directions[axis]![channel]!;
  }
  return shift;
}
