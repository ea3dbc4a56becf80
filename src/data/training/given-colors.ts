/** Color axes that are given instead of being computed from the training images. */
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { readBytes } from '../../core/files.ts';
import type { ColorAxes } from './color-shift.ts';

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
