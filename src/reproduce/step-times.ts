/** What the steps of a reproduction were expected to take, and what they took. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';

const stepSchema = z.object({
  kind: z.enum(['training', 'evaluation']),
  id: z.string(),
  seconds: z.number(),
  low: z.number(),
  high: z.number(),
});
const estimateSchema = z.array(stepSchema);
const timeSchema = z.object({ seconds: z.number() });

/** A step's estimate from before it started, and what it took. */
export interface StepTime {
  readonly estimate: z.infer<typeof stepSchema>;
  /** Undefined while it is not done. */
  readonly seconds?: number;
}

/** The estimate that was made when the reproduction was started; those of older versions have none. */
export async function readEstimate(out: string): Promise<z.infer<typeof estimateSchema> | undefined> {
  return readJson(join(out, 'estimate.json'), estimateSchema);
}

export async function writeEstimate(
  out: string,
  steps: readonly z.infer<typeof stepSchema>[],
): Promise<void> {
  await writeFileAtomically(join(out, 'estimate.json'), `${JSON.stringify(steps, undefined, 1)}\n`);
}

/** Adds to the seconds that an evaluation took in earlier sessions. A session that was killed does not count. */
export async function addEvaluationTime(folder: string, id: string, seconds: number): Promise<void> {
  const before = (await evaluationTimeOf(folder, id)) ?? 0;
  await writeFileAtomically(timePath(folder, id), `${JSON.stringify({ seconds: before + seconds })}\n`);
}

/** Seconds that an evaluation took; undefined if it did not run or an older version ran it. */
export async function evaluationTimeOf(folder: string, id: string): Promise<number | undefined> {
  return (await readJson(timePath(folder, id), timeSchema))?.seconds;
}

function timePath(folder: string, id: string): string {
  return join(folder, `${id}.seconds.json`);
}

/** @throws UserError when the file is damaged. */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    return schema.parse(JSON.parse((await readBytes(path)).toString('utf8')));
  } catch (error) {
    throw new UserError(`${path} is damaged; delete it and run the same command again`, { cause: error });
  }
}
