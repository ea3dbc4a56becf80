import { single } from '../comm/communicator.ts';
import { fromFirst } from '../core/process-team.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import { RunRecord } from '../runs/run-record.ts';
import { readCheckpoint } from '../train/checkpoint.ts';
import { firstWeights } from '../train/first-weights.ts';
import type { Recipe } from '../train/recipe.ts';
import { changeRecipe } from '../train/resolve-recipe.ts';
import { checkSameData, openSession } from '../train/session.ts';
import { isFirst, type RunOptions, runTraining, type TrainOutcome } from './run-training.ts';

export interface ResumeOptions extends RunOptions {
  /**
   * Changes to the recipe (default: none). Only keys that the results do not depend on may change: `epochs`,
   * `iterations`, `threads`, `backend`, `precision`, `checkpoint-every`, `memory-budget` and `max-pixels`.
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
  const { data, recipe: recorded } = await fromFirst(communicator, found!);
  const recipe = changeRecipe(recorded, changes);
  const checkpoint = isFirst(options) ? await readCheckpoint(runFolder(out).lastFile) : undefined;
  const state = (await fromFirst(communicator, checkpoint?.state ?? null)) ?? undefined;
  const split = checkpoint?.model.validation ? ('recorded' as const) : ('none' as const);
  const resumed = state && (await fromFirst(communicator, split));
  const session = await openSession({ ...options, data, recipe, resumed });
  if (checkpoint) await checkSameData(session, checkpoint);
  if (!state) session.listener?.onNote?.('the run has no checkpoint yet; it starts from the beginning');
  const weights = isFirst(options) && !state ? await firstWeights(session) : undefined;
  const record = isFirst(options) ? await RunRecord.resume(out, state?.iteration) : RunRecord.silent();
  return runTraining(session, record, { checkpoint, weights, state }, out);
}
