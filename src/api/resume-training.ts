import { resolve } from 'node:path';
import { single } from '../comm/communicator.ts';
import { UserError } from '../core/errors.ts';
import { kindOf } from '../core/files.ts';
import { fromFirst } from '../core/process-team.ts';
import { readDataRecord, readRunDescription, runFolder } from '../runs/run-folder.ts';
import { RunRecord } from '../runs/run-record.ts';
import { readCheckpoint } from '../train/checkpoint.ts';
import { firstWeights } from '../train/first-weights.ts';
import type { Recipe } from '../train/recipe.ts';
import { changeRecipe } from '../train/resolve-recipe.ts';
import { checkSameData, openSession } from '../train/session.ts';
import { isFirst, type RunOptions, runTraining, type TrainOutcome } from './run-training.ts';

export interface ResumeOptions extends RunOptions {
  /** The data set's new location, if it was moved or copied (default: where it was). */
  readonly data?: string;
  /**
   * Changes to the recipe (default: none). Only keys that the results do not depend on may change: `epochs`,
   * `iterations`, `threads`, `backend`, `precision`, `checkpoint-every`, `memory-budget`, `max-pixels` and `skip-bad`.
   */
  readonly changes?: Partial<Recipe>;
}

/**
 * Continues a run that was interrupted. The final weights are, bit for bit, those of an uninterrupted run with the same
 * numbers of threads and ranks.
 * @throws UserError when there is no run, its data has changed, or a change would change its results.
 * @example
 * const outcome = await resumeTraining({ out: 'runs/photos', changes: { epochs: 20 } });
 */
export async function resumeTraining(options: ResumeOptions): Promise<TrainOutcome> {
  const { out, changes = {}, communicator = single } = options;
  // Only the first rank's machine may have the folder.
  const found = isFirst(options) ? await readRunDescription(out) : undefined;
  const { data: former, recipe: recorded } = await fromFirst(communicator, found!);
  const data = options.data ? resolve(options.data) : former;
  if ((await kindOf(data)) === 'nothing' && !PATTERN.test(data)) throw dataNotFound(data, out);
  const recipe = changeRecipe(recorded, changes);
  const checkpoint = isFirst(options) ? await readCheckpoint(runFolder(out).lastFile) : undefined;
  const state = (await fromFirst(communicator, checkpoint?.state ?? null)) ?? undefined;
  const split = checkpoint?.model.validation ? ('recorded' as const) : ('none' as const);
  const resumed = state && (await fromFirst(communicator, split));
  const known = isFirst(options) ? await readDataRecord(runFolder(out)) : undefined;
  const images = (await fromFirst(communicator, known ?? null)) ?? undefined;
  const session = await openSession({ ...options, data, recipe, record: images, resumed });
  if (checkpoint) await checkSameData(session, checkpoint);
  if (!state) session.listener?.onNote?.('the run has no checkpoint yet; it starts from the beginning');
  const weights = isFirst(options) && !state ? await firstWeights(session) : undefined;
  const moved = data === former ? undefined : data;
  const record = isFirst(options) ? await RunRecord.resume(out, state?.iteration, moved) : RunRecord.silent();
  return runTraining(session, record, { checkpoint, weights, state }, out);
}

/** Data sets of several tar files are named by a pattern. */
const PATTERN = /[*?{[]/;

function dataNotFound(data: string, out: string): UserError {
  return new UserError(
    `the data set ${data} does not exist; if it was moved, give its new path: vgg train PATH --out ${out} --resume`,
  );
}
