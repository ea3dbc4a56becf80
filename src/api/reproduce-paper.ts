/** Reproduces the experiments of section 4 from one plan: trains missing models, evaluates all, checks the claims. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { type Communicator, single } from '../comm/communicator.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { InterruptedError, UserError } from '../core/errors.ts';
import { makeFolder, readBytes, sha256OfFile } from '../core/files.ts';
import { fromFirst } from '../core/process-team.ts';
import { openImages } from '../data/sources/open-images.ts';
import { formatReproductionPage, type TrainingRecord } from '../report/html/reproduction-page.ts';
import { judgeClaims } from '../reproduce/claims.ts';
import { evaluationsFor, type PlannedEvaluation, planEvaluations } from '../reproduce/evaluations.ts';
import {
  computeResult,
  type ExperimentResult,
  posteriorPath,
  readResult,
} from '../reproduce/experiment-results.ts';
import { type Experiment, planExperiments } from '../reproduce/experiments.ts';
import { parseReproductionPlan, type ReproductionPlan } from '../reproduce/reproduction-plan.ts';
import { formatReproduction, type Reproduction } from '../reproduce/reproduction-tables.ts';
import { type PlannedTraining, planTrainings } from '../reproduce/training-order.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { runFolder } from '../runs/run-folder.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import type { TrainListener } from '../train/session.ts';
import { type EvaluationProgress, evaluateModel } from './evaluate-model.ts';
import { resumeTraining } from './resume-training.ts';
import { trainNetwork } from './train-network.ts';

export interface ReproduceOptions {
  /** Folder of labeled images, see `openImages`. */
  readonly data: string;
  readonly plan: ReproductionPlan;
  /** File of the plan, for messages. */
  readonly origin: string;
  /** Folder for runs, evaluations and tables; an earlier reproduction there is continued. */
  readonly out: string;
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the training and the evaluations (default: this process alone). All of them call this with the same
   * options and must see the same `out`. Only the first rank's listener is called.
   */
  readonly communicator?: Communicator;
  readonly listener?: ReproduceListener;
}

export interface ReproduceListener {
  /** Called before each training; the returned listener receives its progress. */
  onTraining?(training: PlannedTraining, number: number, total: number): TrainListener;
  onTrainingEnd?(training: PlannedTraining): void;
  /** Called before each evaluation. */
  onEvaluation?(evaluation: PlannedEvaluation, number: number, total: number): void;
  onEvaluationProgress?(progress: EvaluationProgress): void;
  onEvaluationEnd?(evaluation: PlannedEvaluation): void;
  onResult?(experiment: Experiment, result: ExperimentResult): void;
}

export interface ReproduceOutcome extends Reproduction {
  /** The tables, as Markdown. */
  readonly report: string;
  /** Path of the HTML page with the tables, the claims and the learning curves. */
  readonly reportFile: string;
}

/**
 * Carries out a plan. It can be stopped at any time: the next call skips what is already done.
 * @throws UserError when plan and data do not fit; InterruptedError after the signal.
 */
export async function reproducePaper(options: ReproduceOptions): Promise<ReproduceOutcome> {
  const { plan, origin, out, communicator = single } = options;
  const isFirst = communicator.rank === 0;
  if (isFirst) {
    await checkValidation(options.data);
    await claimFolder(options);
  }
  await checkSharedFolder(communicator, out);
  const trainings = planTrainings(plan, join(out, 'runs'), origin);
  for (const [index, training] of trainings.entries()) {
    await trainIfMissing(training, index + 1, trainings.length, options);
  }
  // The first rank may still be writing the last model when the others get here.
  await communicator.barrier();
  const results = await resultsOf(trainings, options);
  const measured = planExperiments(trainings).map((experiment) => ({
    ...experiment,
    errors: results.get(experiment.id)!.ranks.map((rank) => rank >= 1),
  }));
  const reproduction = { plan, trainings, results, claims: judgeClaims(measured) };
  const report = formatReproduction(reproduction);
  const reportFile = join(out, 'report.html');
  if (isFirst) {
    const page = formatReproductionPage(reproduction, await recordsOf(trainings));
    const claims = JSON.stringify(reproduction.claims, undefined, 2);
    await writeFileAtomically(join(out, 'tables.md'), report);
    await writeFileAtomically(reportFile, page);
    await writeFileAtomically(join(out, 'claims.json'), `${claims}\n`);
  }
  return { ...reproduction, report, reportFile };
}

/** Validation images must not be training images. */
async function checkValidation(data: string): Promise<void> {
  const { split } = await openImages(data, { split: 'val' });
  if (split !== undefined) return;
  throw new UserError(`${data} has no separate validation images; divide it into the folders train and val`);
}

/** Records plan and data in the folder, or checks that it was started with the same. */
async function claimFolder({ out, plan, data, origin }: ReproduceOptions): Promise<void> {
  await makeFolder(join(out, 'evaluations'));
  await makeFolder(join(out, 'runs'));
  const file = join(out, 'plan.yaml');
  if (!existsSync(file)) return writeFileAtomically(file, stringify({ data, ...plan }));
  const { data: earlierData, ...rest } = parse((await readBytes(file)).toString()) as Record<string, unknown>;
  const same = isDeepStrictEqual(parseReproductionPlan(rest, file), plan);
  if (same && earlierData === data) return;
  const difference = same ? `the data ${earlierData}, not ${data}` : `another plan than ${origin}`;
  throw new UserError(`${out} was started with ${difference}; choose another --out`);
}

/** @throws UserError when a rank does not see the files that the first one has written. */
async function checkSharedFolder(communicator: Communicator, out: string): Promise<void> {
  if (communicator.size === 1) return;
  await communicator.barrier();
  const seen = await communicator.gather(existsSync(join(out, 'plan.yaml')));
  const blind = seen.indexOf(false);
  if (blind < 0) return;
  throw new UserError(
    `${communicator.nameOf(blind)} does not see rank 0's files in ${out}; put --out on a disk that all machines share`,
  );
}

async function trainIfMissing(
  training: PlannedTraining,
  number: number,
  total: number,
  { data, listener: first, signal, communicator = single }: ReproduceOptions,
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
async function resultsOf(
  trainings: readonly PlannedTraining[],
  options: ReproduceOptions,
): Promise<Map<string, ExperimentResult>> {
  const { out, listener, communicator = single } = options;
  const { rank, size } = communicator;
  const folder = join(out, 'evaluations');
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
    if (index >= 0 && !done.has(evaluation)) await runEvaluation(evaluation, index + 1, mine.length, options);
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

/** Evaluates one net on the validation images, or continues where an earlier call stopped. */
async function runEvaluation(
  evaluation: PlannedEvaluation,
  number: number,
  total: number,
  { data, out, signal, listener: first, communicator = single }: ReproduceOptions,
): Promise<void> {
  const { training, protocol, scales } = evaluation;
  const { backend, threads } = training.recipe;
  const listener = communicator.rank === 0 ? first : undefined;
  listener?.onEvaluation?.(evaluation, number, total);
  try {
    const { labeled } = await evaluateModel({
      data,
      model: training.model,
      protocol,
      scales: scales === 'auto' ? scales : undefined,
      posteriors: posteriorPath(join(out, 'evaluations'), evaluation),
      backend,
      threads,
      signal,
      onProgress: (progress) => listener?.onEvaluationProgress?.(progress),
    });
    if (labeled === 0) throw new UserError(`the validation images of ${data} have no labels; add them`);
  } finally {
    listener?.onEvaluationEnd?.(evaluation);
  }
}

async function recordsOf(trainings: readonly PlannedTraining[]): Promise<Map<string, TrainingRecord>> {
  const records = new Map<string, TrainingRecord>();
  for (const { id, folder, recipe } of trainings) {
    const metrics = await readMetrics(runFolder(folder).metricsFile);
    records.set(id, { metrics, recipe: formatRecipe(recipe) });
  }
  return records;
}
