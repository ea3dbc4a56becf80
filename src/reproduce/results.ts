/** What an evaluation of a plan found, as it is kept on disk. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { systemErrorCode, UserError } from '../core/errors.ts';

const resultSchema = z.object({
  id: z.string(),
  images: z.int(),
  top1Error: z.number(),
  top5Error: z.number(),
  loss: z.number(),
  scales: z.array(z.number()),
  /** Checksums of the models, so that a result does not outlive them. */
  models: z.array(z.string()),
  /** For each image how many classes scored at least as high as the true one. */
  ranks: z.array(z.int()),
});

export type MeasurementResult = z.output<typeof resultSchema>;

/**
 * @returns undefined where there is none.
 * @throws UserError when the file is not what it should be.
 */
export async function readResult(path: string): Promise<MeasurementResult | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return resultSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(`${path} is not the result of an evaluation; delete it and start again`, {
      cause: error,
    });
  }
}
