/** Mean and color axes that are given instead of being computed from the training images. */
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { readBytes } from '../../core/files.ts';
import type { Rgb } from '../../core/shape.ts';
import type { ColorAxes } from './color-shift.ts';

/** The mean of ILSVRC-2012's training images that the authors of the VGG paper published with their weights. */
const ILSVRC_MEAN: Rgb = [123.68, 116.779, 103.939];

/**
 * The axes of ILSVRC-2012's training images published with fb.resnet.torch (eigenvectors in columns, there), times 255.
 * Many programs use them with Krizhevsky's formula, as `drawColorShift` does.
 */
const ILSVRC_AXES: ColorAxes = {
  directions: [
    [-0.5675, -0.5808, -0.5836],
    [0.7192, -0.0045, -0.6948],
    [0.4009, -0.814, 0.4203],
  ],
  deviations: [0.2175 * 255, 0.0188 * 255, 0.0045 * 255],
};

const rgb = z.tuple([z.number(), z.number(), z.number()]).readonly();

/** Color axes as JSON. */
export const colorAxesSchema = z.object({
  /** Unit vectors. */
  directions: z.tuple([rgb, rgb, rgb]).readonly(),
  /** Standard deviations along them, in units of 0–255. */
  deviations: rgb,
});

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

/**
 * The color axes that a recipe gives.
 * @param text `ilsvrc`, or a JSON file with `directions` and `deviations`, also the data.json.gz of a run
 * @throws UserError when the file cannot be read or has no axes
 */
export async function givenAxes(text: string): Promise<ColorAxes> {
  if (text === 'ilsvrc') return ILSVRC_AXES;
  const bytes = await readBytes(text);
  try {
    const content = JSON.parse((bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8'));
    return colorAxesSchema.parse(content.axes ?? content);
  } catch (cause) {
    throw new UserError(
      `${text} has no color axes; give a JSON file such as {"directions": [[…], […], […]], "deviations": [96, 8, 2]}, or data.json.gz of a run`,
      { cause },
    );
  }
}
