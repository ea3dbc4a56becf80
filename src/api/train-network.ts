/** Training: from a data folder and a recipe to a run folder with a model. */
import { resolve } from 'node:path';
import { type Communicator, single } from '../comm/communicator.ts';
import { fromFirst } from '../core/process-team.ts';
import { parseTrainScale } from '../core/scale.ts';
import { Validator } from '../evaluate/validator.ts';
import type { Parameters } from '../kernels/backend.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import { type RecordHooks, RunRecord } from '../runs/run-record.ts';
import { readCheckpoint } from '../train/checkpoint.ts';
import { firstWeights } from '../train/first-weights.ts';
import type { StopReason, ValidationMetrics } from '../train/metrics.ts';
import type { Recipe } from '../train/recipe.ts';
import { changeRecipe } from '../train/resolve-recipe.ts';
import { checkSameWeights } from '../train/same-on-all-ranks.ts';
import {
  checkSameData,
  modelFacts,
  openSession,
  type SessionStart,
  startParameters,
  type TrainingSession,
  type TrainingStart,
  type TrainListener,
} from '../train/session.ts';
import { Trainer } from '../train/trainer.ts';
import type { TrainerHooks, TrainingData } from '../train/trainer-hooks.ts';
import type { TrainerState } from '../train/trainer-state.ts';
import { trainingImages } from '../train/training-set.ts';

/** What `trainNetwork` and `resumeTraining` have in common. */
export interface RunOptions {
  /** The run folder: new, or for `resumeTraining` an existing one. */
  readonly out: string;
  /** Receives notes, progress and metrics (default: nobody). */
  readonly listener?: TrainListener;
  /** Stops after the current iteration, with a checkpoint (default: never). */
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the work (default: this process alone). All of them call the function with the same options; only
   * the first one reads and writes the run folder, and calls the listener.
   */
  readonly communicator?: Communicator;
}

export interface TrainOptions extends RunOptions {
  /** Location of the images, see `openImages`. */
  readonly data: string;
  /** A complete recipe, see `resolveRecipe`. */
  readonly recipe: Recipe;
}

export interface ResumeOptions extends RunOptions {
  /**
   * Changes to the recipe (default: none). Only keys that the results do not depend on may change: `epochs`,
   * `iterations`, `threads`, `backend`, `precision`, `checkpoint-every`, `memory-budget` and `max-pixels`.
   */
  readonly changes?: Partial<Recipe>;
}

export interface TrainOutcome {
  /** The run folder. */
  readonly run: string;
  readonly reason: StopReason;
  readonly iterations: number;
  /** Training time in seconds, over all sessions of the run. */
  readonly seconds: number;
  /** The model with the lowest validation error; null before the first validation. */
  readonly best: { readonly iteration: number; readonly top1Error: number; readonly model: string } | null;
  /** The last validation of this session; null where there was none. */
  readonly last: ValidationMetrics | null;
  /** The model file of the last checkpoint. */
  readonly lastModel: string;
}

/**
 * Trains a network and records the run in a new folder: recipe.yaml, metrics.jsonl, TensorBoard events, checkpoint and
 * best model.
 * @throws UserError for bad data, recipes and folders, each with what to do.
 * @example
 * const { best, lastModel } = await trainNetwork({
 *   data: 'photos',
 *   out: 'runs/photos',
 *   recipe: resolveRecipe({ config: 'A', crop: 64, scale: 64, epochs: 10 }),
 *   listener: { onMetrics: ({ kind, top1Error }) => console.log(kind, top1Error) },
 * });
 */
export async function trainNetwork(options: TrainOptions): Promise<TrainOutcome> {
  const { data, recipe, out } = options;
  const session = await openSession({ ...options, data, recipe });
  const weights = isFirst(options) ? await firstWeights(session) : undefined;
  // Last, so that a machine that cannot train leaves nothing behind.
  const record = isFirst(options)
    ? await RunRecord.start(out, { data: resolve(data), recipe })
    : RunRecord.silent();
  return train(session, record, { weights }, out);
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
  const session = await openSession({ ...options, data, recipe });
  if (checkpoint) await checkSameData(session, checkpoint);
  if (!state) session.listener?.onNote?.('the run has no checkpoint yet; it starts from the beginning');
  const weights = isFirst(options) && !state ? await firstWeights(session) : undefined;
  const record = isFirst(options) ? await RunRecord.resume(out, state?.iteration) : RunRecord.silent();
  return train(session, record, { checkpoint, weights, state }, out);
}

function isFirst({ communicator = single }: RunOptions): boolean {
  return communicator.rank === 0;
}

/** Trains from the start to the end, or until the signal, and closes the record. */
async function train(
  session: TrainingSession,
  record: RunRecord,
  start: SessionStart,
  out: string,
): Promise<TrainOutcome> {
  try {
    const { parameters, average } = await startParameters(session, start);
    const validator = validatorOf(session, parameters);
    try {
      const trainer = new Trainer({
        ...session,
        parameters,
        average,
        state: start.state,
        data: trainingDataOf(session),
        hooks: hooksOf(session, validator, record.hooks(await modelFacts(session), parameters)),
      });
      session.listener?.onStart?.(startOf(session, trainer));
      const outcome = outcomeOf(out, await trainer.run(), trainer.state, record.last);
      if (outcome.reason !== 'interrupted') await record.writeResult(outcome);
      return outcome;
    } finally {
      validator.dispose();
      parameters.dispose();
    }
  } finally {
    await record.close();
  }
}

function validatorOf(
  { recipe, network, backend, set, communicator }: TrainingSession,
  parameters: Parameters,
) {
  return new Validator({
    network,
    backend,
    parameters,
    images: set.validation,
    meanRgb: set.mean,
    trainScale: parseTrainScale(recipe.scale),
    // In addition to the training images' memory.
    memory: (recipe['memory-budget'] * 2 ** 20) / 4,
    maxPixels: recipe['max-pixels'],
    team: communicator,
  });
}

function trainingDataOf({ set, recipe }: TrainingSession): TrainingData {
  const images = trainingImages(set, recipe);
  return { count: set.training.length, loadBatches: (plan) => images.loadBatches(plan) };
}

function hooksOf(
  { listener, communicator }: TrainingSession,
  validator: Validator,
  recording: RecordHooks,
): TrainerHooks {
  return {
    ...recording,
    validate: () => validator.validate((done, total) => listener?.onValidationProgress?.(done, total)),
    beforeCheckpoint: (parameters, { iteration }) => checkSameWeights(communicator, parameters, iteration),
    onIteration: (progress) => listener?.onIteration?.(progress),
    onMetrics: async (line) => {
      await recording.onMetrics(line);
      listener?.onMetrics?.(line);
    },
  };
}

function startOf(
  { network, backend, communicator, set }: TrainingSession,
  { state, totalIterations }: Trainer,
): TrainingStart {
  return {
    network,
    backend,
    communicator,
    trainingImages: set.training.length,
    validationImages: set.validation.length,
    iteration: state.iteration,
    totalIterations,
  };
}

function outcomeOf(
  run: string,
  reason: StopReason,
  { iteration, seconds, best }: TrainerState,
  last: ValidationMetrics | null,
): TrainOutcome {
  const { bestFile, lastFile } = runFolder(run);
  return {
    run,
    reason,
    iterations: iteration,
    seconds,
    best: best && { ...best, model: bestFile },
    last,
    lastModel: lastFile,
  };
}
