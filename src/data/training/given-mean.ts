/**
 * A mean that is given instead of being computed from the training images. Recipes are also resolved in browsers, so
 * nothing here may need Node.
 */
import type { Rgb } from '../../core/shape.ts';

/** The mean of ILSVRC-2012's training images that the authors of the VGG paper published with their weights. */
const ILSVRC_MEAN: Rgb = [123.68, 116.779, 103.939];

/**
 * The mean that a recipe gives: `ilsvrc`, or three numbers from 0 to 255 such as `123.68,116.779,103.939`.
 * @returns undefined if the text is neither
 */
export function givenMean(text: string): Rgb | undefined {
  if (text === 'ilsvrc') return ILSVRC_MEAN;
  const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const isMean = numbers.length === 3 && numbers.every((value) => value >= 0 && value <= 255);
  return isMean ? (numbers as unknown as Rgb) : undefined;
}
