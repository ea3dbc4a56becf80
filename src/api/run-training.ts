/** Runs a training session: the part that `trainNetwork` and `resumeTraining` share. */
import { type Communicator, single } from '../comm/communicator.ts';
import { parseTrainScale } from '../core/scale.ts';
import { medianSide } from '../data/pixels/median-side.ts';
import { BoxValidator } from '../evaluate/localize/box-validator.ts';
import { Validator } from '../evaluate/validator.ts';
import type { Parameters } from '../kernels/backend.ts';
import { runFolder } from '../runs/run-folder.ts';
import type { RecordHooks, RunRecord } from '../runs/run-record.ts';
import type { Metrics, StopReason, ValidationMetrics } from '../train/metrics.ts';
import { alignWeights, checkSameWeights } from '../train/same-on-all-ranks.ts';
import {
  modelFacts,
  type SessionStart,
  startParameters,
  type TrainingPhase,
  type TrainingSession,
  type TrainListener,
} from '../train/session.ts';
import { Trainer } from '../train/trainer.ts';
import type { TrainerHooks, TrainingData } from '../train/trainer-hooks.ts';
import type { TrainerState } from '../train/trainer-state.ts';
import { describeValidation, trainingImages, type ValidationImages } from '../train/training-set.ts';
import { LearningWatch, resultWarning, setWarnings } from '../train/training-warnings.ts';

/** Options of both `trainNetwork` and `resumeTraining`. */
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

export interface TrainOutcome {
  /** The run folder. */
  readonly run: string;
  readonly reason: StopReason;
  readonly iterations: number;
  /** Training time in seconds, over all sessions of the run. */
  readonly seconds: number;
  /** The model with the lowest validation error; null before the first validation. */
  readonly best: { readonly iteration: number; readonly top1Error: number; readonly model: string } | null;
  /** The last validation of this session; null if there was none. */
  readonly last: ValidationMetrics | null;
  /** The images that the errors are of. */
  readonly validation: ValidationImages;
  /** Why images are left out with `skip-bad`, with their paths; undefined if none are. */
  readonly bad?: readonly string[];
  /** The model file of the last checkpoint. */
  readonly lastModel: string;
  /** Reasons to distrust the training or its result, in this session. */
  readonly warnings: readonly string[];
}

/** Whether this rank reads and writes the run folder. */
export function isFirst({ communicator = single }: RunOptions): boolean {
  return communicator.rank === 0;
}

/** Trains to the end, or until the signal is aborted, and closes the record. */
export async function runTraining(
  session: TrainingSession,
  record: RunRecord,
  start: SessionStart,
  out: string,
): Promise<TrainOutcome> {
  const warnings: string[] = [];
  const warn = (warning: string | undefined) => {
    if (warning === undefined) return;
    warnings.push(warning);
    session.listener?.onWarning?.(warning);
  };
  try {
    const { parameters, average } = await startParameters(session, start);
    const unvalidated: string[] = [];
    const validator = validatorOf(session, parameters, (message) => {
      unvalidated.push(message);
      session.listener?.onNote?.(`${message}; it is not validated on`);
    });
    try {
      const trainer = new Trainer({
        ...session,
        parameters,
        average,
        state: start.state,
        data: trainingDataOf(session, start),
        hooks: hooksOf(
          session,
          validator,
          await record.hooks(await modelFacts(session, start), parameters, {
            averaged: session.recipe['average-from'] !== undefined,
            onNote: (note) => session.listener?.onNote?.(note),
          }),
          (line) => {
            // What guessing achieves is known for classes only.
            if (!session.network.boxes) warn(watch.observe(line));
          },
        ),
      });
      const watch = new LearningWatch(session.recipe, session.set.training, trainer.totalIterations);
      const { network, backend, communicator, set } = session;
      const validation = describeValidation(set);
      session.listener?.onStart?.({
        network,
        backend,
        communicator,
        trainingImages: set.training.length,
        validation,
        iteration: trainer.state.iteration,
        totalIterations: trainer.totalIterations,
        epochs: session.recipe.iterations === undefined ? session.recipe.epochs : undefined,
        batch: session.recipe.batch,
        best: trainer.state.best?.top1Error,
      });
      const side = await medianSide(set.training);
      for (const warning of [...set.warnings, ...setWarnings({ ...set, side }, session.recipe)])
        warn(warning);
      const reason = await trainer.run();
      if (!network.boxes) warn(resultWarning(record.last, set.validation));
      const bad = [...set.bad, ...lostImages(session, trainer.state), ...unvalidated];
      const outcome = {
        ...outcomeOf(out, reason, trainer.state, record.last, validation),
        bad: bad.length > 0 ? bad : undefined,
        warnings,
      };
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
  onBad: (message: string) => void,
) {
  return new (network.boxes ? BoxValidator : Validator)({
    network,
    backend,
    parameters,
    images: set.validation,
    meanRgb: set.mean,
    trainScale: parseTrainScale(recipe.scale),
    // In addition to the training images' memory.
    memory: (recipe['memory-budget'] * 2 ** 20) / 4,
    maxPixels: recipe['max-pixels'],
    colorProfiles: recipe['color-profiles'],
    team: communicator,
    onBad: recipe['skip-bad'] ? ({ message }) => onBad(message) : undefined,
  });
}

function lostImages({ set: { training } }: TrainingSession, { lost }: TrainerState): string[] {
  return lost.map((image) => `${training.imageName(image)} became unreadable during the training`);
}

function trainingDataOf({ set, recipe }: TrainingSession, { state }: SessionStart): TrainingData {
  const images = trainingImages(set, recipe, state?.lost);
  return {
    count: set.training.length,
    loadBatches: (plan) => images.loadBatches(plan),
    fixedView: (epoch, image) => images.fixedView(epoch, image),
  };
}

function hooksOf(
  { listener, communicator, set, areAlike }: TrainingSession,
  validator: Validator | BoxValidator,
  recording: RecordHooks,
  onLine: (line: Metrics) => void,
): TrainerHooks {
  const during = async <T>(phase: TrainingPhase, work: () => Promise<T>): Promise<T> => {
    listener?.onPhase?.(phase);
    const result = await work();
    listener?.onPhase?.('training');
    return result;
  };
  return {
    validate: () =>
      during('validating', async () => ({
        ...(await validator.validate((done, total) => listener?.onValidationProgress?.(done, total))),
        split: set.validationRecord.split,
      })),
    onBest: (...model) => during('saving', () => recording.onBest(...model)),
    onCheckpoint: (...checkpoint) => during('saving', () => recording.onCheckpoint(...checkpoint)),
    beforeCheckpoint: async (parameters, { iteration }) => {
      await parameters.align?.();
      await (areAlike ? checkSameWeights : alignWeights)(communicator, parameters, iteration);
    },
    onNote: (note) => listener?.onNote?.(note),
    onIteration: (progress) => listener?.onIteration?.(progress),
    onMetrics: async (line) => {
      await recording.onMetrics(line);
      listener?.onMetrics?.(line);
      onLine(line);
    },
  };
}

function outcomeOf(
  run: string,
  reason: StopReason,
  { iteration, seconds, best }: TrainerState,
  last: ValidationMetrics | null,
  validation: ValidationImages,
): Omit<TrainOutcome, 'warnings' | 'bad'> {
  const { bestFile, lastFile } = runFolder(run);
  return {
    run,
    reason,
    iterations: iteration,
    seconds,
    best: best && { ...best, model: bestFile },
    last,
    // Images may have become unreadable since the training began.
    validation: { ...validation, images: last?.images ?? validation.images },
    lastModel: lastFile,
  };
}
