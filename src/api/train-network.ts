import { resolve } from 'node:path';
import { single } from '../comm/communicator.ts';
import { fromFirst } from '../core/process-team.ts';
import { fingerprintImages, unpackFingerprints } from '../data/sources/image-fingerprints.ts';
import { RunRecord } from '../runs/run-record.ts';
import { firstWeights, readStart, withPreparation } from '../train/first-weights.ts';
import type { Recipe } from '../train/recipe.ts';
import { checkSameRecipe, openSession, type TrainingSession } from '../train/session.ts';
import { isFirst, type RunOptions, runTraining, type TrainOutcome } from './run-training.ts';

export interface TrainOptions extends RunOptions {
  /** Location of the images, see `openImages`. */
  readonly data: string;
  /** A complete recipe, see `resolveRecipe`. */
  readonly recipe: Recipe;
}

/**
 * Trains a network and records the run in a new folder: recipe.yaml, metrics.jsonl, TensorBoard events, checkpoint and
 * best model.
 * @throws UserError for bad data, recipes or folders, with the remedy.
 * @example
 * const { best, lastModel } = await trainNetwork({
 *   data: 'photos',
 *   out: 'runs/photos',
 *   recipe: resolveRecipe({ config: 'A', crop: 64, scale: 64, epochs: 10 }),
 *   listener: { onMetrics: ({ kind, top1Error }) => console.log(kind, top1Error) },
 * });
 */
export async function trainNetwork(options: TrainOptions): Promise<TrainOutcome> {
  const { data, out, communicator = single } = options;
  await checkSameRecipe(communicator, options.recipe);
  // Only the first rank's machine may have the model.
  const start = isFirst(options) ? await readStart(options.recipe) : undefined;
  const { backend, gpus, threads } = options.recipe;
  const shared = await fromFirst(communicator, withPreparation(options.recipe, start));
  // Ranks may have GPUs or not.
  const recipe = { ...shared, backend, gpus, threads };
  if (start && options.recipe.mean === undefined && recipe.mean !== 'dataset') {
    options.listener?.onNote?.(
      `the mean ${recipe.mean} of ${recipe.from} is kept; --mean dataset takes that of the training images`,
    );
  }
  const session = await openSession({ ...options, data, recipe });
  const trainedOn = start?.validation?.trainedOn;
  if (trainedOn !== undefined) await warnOfSeenImages(session, trainedOn);
  // Other ranks would wait for one that stops here.
  const signal = communicator.size === 1 ? options.signal : undefined;
  const weights = isFirst(options) ? await firstWeights({ ...session, start, signal }) : undefined;
  // Last, so that a machine that cannot train leaves nothing behind.
  const record = isFirst(options)
    ? await RunRecord.start(out, { data: resolve(data), recipe }, await session.set.record())
    : RunRecord.silent();
  return runTraining(session, record, { weights, trainedOn }, out);
}

/** Warns of validation images that the model behind `from` was trained on, for instance with another seed. */
async function warnOfSeenImages(
  { set: { validation }, recipe, listener, signal }: TrainingSession,
  trainedOn: string,
): Promise<void> {
  const seen = unpackFingerprints(trainedOn);
  const found = (await fingerprintImages(validation, { signal })).filter((one) => seen.has(one)).length;
  if (found === 0) return;
  listener?.onWarning?.(
    `${recipe.from ?? recipe['from-shallower']} was trained on ${found} of the ${validation.length} validation images, so the validation error is too low; use its --seed and --holdout (evaluate leaves these images out)`,
  );
}
