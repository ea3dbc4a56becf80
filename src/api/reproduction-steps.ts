/** The steps of a reproduction with one seed: trainings and evaluations, each skipped if it is done. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Communicator, single } from '../comm/communicator.ts';
import { InterruptedError, UserError } from '../core/errors.ts';
import { sha256OfFile } from '../core/files.ts';
import { fromFirst } from '../core/process-team.ts';
import { evaluationsFor, type PlannedEvaluation, planEvaluations } from '../reproduce/evaluations.ts';
import {
  computeResult,
  type ExperimentResult,
  posteriorPath,
  readResult,
} from '../reproduce/experiment-results.ts';
import { type Experiment, planExperiments } from '../reproduce/experiments.ts';
import { addEvaluationTime } from '../reproduce/step-times.ts';
import type { PlannedTraining, SeedTrainings } from '../reproduce/training-order.ts';
import { runFolder } from '../runs/run-folder.ts';
import type { TrainListener } from '../train/session.ts';
import { type EvaluationProgress, evaluateModel } from './evaluate-model.ts';
import { resumeTraining } from './resume-training.ts';
import { trainNetwork } from './train-network.ts';

export interface ReproduceListener {
  /** Called before each training; the returned listener receives its progress. */
  onTraining?(training: PlannedTraining, number: number, total: number): TrainListener;
  onTrainingEnd?(training: PlannedTraining): void;
  /** Called before each evaluation. */
  onEvaluation?(evaluation: PlannedEvaluation, number: number, total: number): void;
  onEvaluationProgress?(progress: EvaluationProgress): void;
  onEvaluationEnd?(evaluation: PlannedEvaluation): void;
  onResult?(experiment: Experiment, result: ExperimentResult): void;
  /** Called with each reason to distrust the results. */
  onWarning?(warning: string): void;
}

export interface StepOptions {
  /** Folder of labeled images, see `openImages`. */
  readonly data: string;
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the training and the evaluations (default: this process alone). All of them call this with the same
   * options and must see the same `out`. Only the first rank's listener is called.
   */
  readonly communicator?: Communicator;
  readonly listener?: ReproduceListener;
}

export async function trainIfMissing(
  training: PlannedTraining,
  number: number,
  total: number,
  { data, listener: first, signal, communicator = single }: StepOptions,
): Promise<void> {
  const { recipeFile, resultFile } = runFolder(training.folder);
  // All ranks must make the same choice, but the first may write these files before another one has looked.
  const found = { finished: existsSync(resultFile), started: existsSync(recipeFile) };
  const { finished, started } = await fromFirst(communicator, found);
  if (finished) return;
  const listener = communicator.rank === 0 ? first : undefined;
  const shared = {
    out: training.folder,
    communicator,
    listener: listener?.onTraining?.(training, number, total),
    signal,
  };
  try {
    const { reason } = started
      ? await resumeTraining(shared)
      : await trainNetwork({ ...shared, data, recipe: training.recipe });
    if (reason === 'interrupted') throw new InterruptedError('stopped');
  } finally {
    listener?.onTrainingEnd?.(training);
  }
}

/** Evaluates the nets whose results are missing, then averages the posteriors of each experiment. */
export async function evaluateAll(
  { trainings, folder: seedFolder }: SeedTrainings,
  options: StepOptions,
): Promise<Map<string, ExperimentResult>> {
  const { listener, communicator = single } = options;
  const { rank, size } = communicator;
  const folder = join(seedFolder, 'evaluations');
  const experiments = planExperiments(trainings);
  const evaluations = planEvaluations(experiments);
  const checksums = new Map<PlannedTraining, string>();
  for (const training of trainings) checksums.set(training, await sha256OfFile(training.model));
  const missing: Experiment[] = [];
  for (const experiment of experiments) {
    if (!(await readResult(experiment, folder, checksums))) missing.push(experiment);
  }
  const needed = new Set(missing.flatMap((experiment) => evaluationsFor(experiment, evaluations)));
  // Each rank runs complete evaluations.
  const mine = [...needed].filter((_, index) => index % size === rank);
  const done = new Set<PlannedEvaluation>();
  const run = async (evaluation: PlannedEvaluation): Promise<void> => {
    const index = mine.indexOf(evaluation);
    if (index >= 0 && !done.has(evaluation)) {
      await runEvaluation(evaluation, index + 1, mine.length, folder, options);
    }
    done.add(evaluation);
  };
  if (size > 1) for (const evaluation of mine) await run(evaluation);
  await communicator.barrier();
  // The first rank averages what all ranks have kept, and the others read its results.
  if (rank > 0) await communicator.barrier();
  const results = new Map<string, ExperimentResult>();
  for (const experiment of experiments) {
    let result = await readResult(experiment, folder, checksums);
    if (!result) {
      const own = evaluationsFor(experiment, evaluations);
      for (const evaluation of own) await run(evaluation);
      result = await computeResult(experiment, own, folder, checksums);
    }
    results.set(experiment.id, result);
    if (rank === 0) listener?.onResult?.(experiment, result);
  }
  if (rank === 0) await communicator.barrier();
  return results;
}

/** Evaluates one net on the images that the report is about, or continues where an earlier call stopped. */
async function runEvaluation(
  evaluation: PlannedEvaluation,
  number: number,
  total: number,
  folder: string,
  { data, signal, listener: first, communicator = single }: StepOptions,
): Promise<void> {
  const { training, protocol, scales } = evaluation;
  const { backend, threads, gpus } = training.recipe;
  const listener = communicator.rank === 0 ? first : undefined;
  listener?.onEvaluation?.(evaluation, number, total);
  const start = performance.now();
  try {
    const { labeled } = await evaluateModel({
      data,
      model: training.model,
      protocol,
      scales: scales === 'auto' ? scales : undefined,
      posteriors: posteriorPath(folder, evaluation),
      backend,
      threads,
      gpus,
      signal,
      onProgress: (progress) => listener?.onEvaluationProgress?.(progress),
    });
    if (labeled === 0) throw new UserError(`the validation images of ${data} have no labels; add them`);
  } finally {
    listener?.onEvaluationEnd?.(evaluation);
    await addEvaluationTime(folder, evaluation.id, (performance.now() - start) / 1000);
  }
}
