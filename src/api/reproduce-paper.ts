/** The experiments of section 4 from one plan: train what is missing, evaluate everything, judge the claims. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Communicator } from '../comm/communicator.ts';
import { single } from '../comm/communicator.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { InterruptedError, UserError } from '../core/errors.ts';
import { fromFirst } from '../core/team.ts';
import { openImages } from '../data/sources/open-images.ts';
import { formatReproductionPage, type TrainingRecord } from '../report/html/reproduction-page.ts';
import { type PlannedRun, planRuns } from '../reproduce/chain.ts';
import { judgeClaims, type Measured } from '../reproduce/claims.ts';
import { type PlannedMeasurement, planMeasurements } from '../reproduce/measurements.ts';
import { type PlannedPass, passFor, planPasses } from '../reproduce/passes.ts';
import { type PlanFile, parsePlan } from '../reproduce/plan-file.ts';
import type { MeasurementResult } from '../reproduce/results.ts';
import { formatReproduction, type Reproduction } from '../reproduce/tables.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { runFolder } from '../runs/run-folder.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import type { TrainListener } from '../train/session.ts';
import type { EvaluationProgress } from './evaluate-model.ts';
import { carryOutPass, combine, earlierResult, sumModels } from './reproduce-measurements.ts';
import { resumeTraining, trainNetwork } from './train-network.ts';

export interface ReproduceOptions {
  /** Folder of labelled images, see `openImages`. */
  readonly data: string;
  readonly plan: PlanFile;
  /** What messages call the plan. */
  readonly origin: string;
  /** Where runs, evaluations and tables go; an earlier reproduction there is gone on with. */
  readonly out: string;
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the trainings and the evaluations, all of which call this with the same options; default:
   * nobody. `out` must be one folder for all of them. The listener of the first one is told what goes on.
   */
  readonly communicator?: Communicator;
  readonly listener?: ReproduceListener;
}

export interface ReproduceListener {
  /** Before each training: what shows its progress. */
  onRun?(run: PlannedRun, number: number, total: number): TrainListener;
  onRunEnd?(run: PlannedRun): void;
  /** Before each pass over the test images. */
  onPass?(pass: PlannedPass, number: number, total: number): void;
  onEvaluation?(progress: EvaluationProgress): void;
  onPassEnd?(pass: PlannedPass): void;
  /** After each measurement, which takes little time once the passes are done. */
  onMeasurement?(measurement: PlannedMeasurement, result: MeasurementResult): void;
}

export interface ReproduceOutcome extends Reproduction {
  /** The tables, as Markdown. */
  readonly report: string;
  /** The tables, the claims and the learning curves, as an HTML page. */
  readonly reportFile: string;
}

/**
 * Carries out a plan. Whatever is done already is not done again, so that it can be stopped at any point.
 * @throws UserError for plans and data that do not fit; InterruptedError after the signal.
 */
export async function reproducePaper(options: ReproduceOptions): Promise<ReproduceOutcome> {
  const { plan, origin, out, communicator = single } = options;
  const isFirst = communicator.rank === 0;
  if (isFirst) {
    await checkValidation(options.data);
    await claimFolder(options);
  }
  await checkSharedFolder(communicator, out);
  const runs = planRuns(plan, join(out, 'runs'), origin);
  for (const [index, run] of runs.entries()) await trainIfMissing(run, index, runs.length, options);
  // The first rank writes the models, after the others have done their part.
  await communicator.barrier();
  const measurements = planMeasurements(runs);
  if (communicator.size > 1) await dealOutPasses(runs, measurements, options, communicator);
  // The first rank averages what all have kept; the others find its results.
  if (!isFirst) await communicator.barrier();
  const results = await measureAll(runs, measurements, options);
  if (isFirst) await communicator.barrier();
  const claims = judgeClaims(measurements.map((measurement) => measured(measurement, results)));
  const reproduction = { plan, runs, results, claims };
  const report = formatReproduction(reproduction);
  const reportFile = join(out, 'report.html');
  if (isFirst) {
    await writeFileAtomically(join(out, 'tables.md'), report);
    await writeFileAtomically(reportFile, formatReproductionPage(reproduction, await recordsOf(runs)));
    await writeFileAtomically(join(out, 'claims.json'), `${JSON.stringify(claims, undefined, 2)}\n`);
  }
  return { ...reproduction, report, reportFile };
}

async function recordsOf(runs: readonly PlannedRun[]): Promise<Map<string, TrainingRecord>> {
  const records = new Map<string, TrainingRecord>();
  for (const { id, folder, recipe } of runs) {
    const metrics = await readMetrics(runFolder(folder).metricsFile);
    records.set(id, { metrics, recipe: formatRecipe(recipe) });
  }
  return records;
}

/** @throws UserError where a rank does not see what the first one has written. */
async function checkSharedFolder(communicator: Communicator, out: string): Promise<void> {
  if (communicator.size === 1) return;
  await communicator.barrier();
  const seen = await communicator.gather(existsSync(join(out, 'plan.yaml')));
  const blind = seen.indexOf(false);
  if (blind < 0) return;
  throw new UserError(
    `${communicator.nameOf(blind)} does not see ${out} as rank 0 does; put --out on a disk that all machines share`,
  );
}

/** Each rank carries out some of the passes whose results are missing, whole ones. */
async function dealOutPasses(
  runs: readonly PlannedRun[],
  measurements: readonly PlannedMeasurement[],
  { data, out, signal, listener }: ReproduceOptions,
  communicator: Communicator,
): Promise<void> {
  const folder = join(out, 'evaluations');
  const passes = planPasses(measurements);
  const sums = await sumModels(runs);
  const needed = new Set<PlannedPass>();
  for (const measurement of measurements) {
    if (await earlierResult(measurement, folder, sums)) continue;
    for (const run of measurement.runs) needed.add(passFor(measurement, run, passes));
  }
  const { rank, size } = communicator;
  const mine = [...needed].filter((_, place) => place % size === rank);
  for (const [place, pass] of mine.entries()) {
    if (rank === 0) listener?.onPass?.(pass, place + 1, mine.length);
    await carryOutPass(pass, { data, folder, signal, onProgress: () => {} });
    if (rank === 0) listener?.onPassEnd?.(pass);
  }
  await communicator.barrier();
}

/** Runs the passes that a missing result needs, then averages what they kept. */
async function measureAll(
  runs: readonly PlannedRun[],
  measurements: readonly PlannedMeasurement[],
  { data, out, signal, listener }: ReproduceOptions,
): Promise<Map<string, MeasurementResult>> {
  const folder = join(out, 'evaluations');
  const passes = planPasses(measurements);
  const sums = await sumModels(runs);
  const results = new Map<string, MeasurementResult>();
  const done = new Set<PlannedPass>();
  for (const measurement of measurements) {
    let result = await earlierResult(measurement, folder, sums);
    if (!result) {
      for (const pass of measurement.runs.map((run) => passFor(measurement, run, passes))) {
        if (done.has(pass)) continue;
        listener?.onPass?.(pass, passes.indexOf(pass) + 1, passes.length);
        try {
          await carryOutPass(pass, {
            data,
            folder,
            signal,
            onProgress: (progress) => listener?.onEvaluation?.(progress),
          });
        } finally {
          listener?.onPassEnd?.(pass);
        }
        done.add(pass);
      }
      result = await combine(measurement, passes, folder, sums);
    }
    listener?.onMeasurement?.(measurement, result);
    results.set(measurement.id, result);
  }
  return results;
}

/** Evaluation must not see what was trained on. */
async function checkValidation(data: string): Promise<void> {
  const source = await openImages(data, { split: 'val' });
  await source.close?.();
  if (source.split !== undefined) return;
  throw new UserError(`${data} has no validation images of its own; divide it into train and val folders`);
}

/** Notes plan and data in the folder, or checks that they are those noted. */
async function claimFolder({ out, plan, data, origin }: ReproduceOptions): Promise<void> {
  await mkdir(join(out, 'evaluations'), { recursive: true });
  await mkdir(join(out, 'runs'), { recursive: true });
  const file = join(out, 'plan.yaml');
  if (!existsSync(file)) {
    await writeFileAtomically(file, stringify({ data, ...plan }));
    return;
  }
  const { data: earlierData, ...rest } = parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const same = JSON.stringify(parsePlan(rest, file)) === JSON.stringify(plan);
  if (same && earlierData === data) return;
  throw new UserError(
    `${out} was begun with another ${same ? `data folder (${earlierData})` : 'plan'} than ${same ? data : origin}; choose another --out`,
  );
}

async function trainIfMissing(
  run: PlannedRun,
  index: number,
  total: number,
  { data, listener: told, signal, communicator = single }: ReproduceOptions,
): Promise<void> {
  const { recipeFile, resultFile } = runFolder(run.folder);
  // All ranks must do the same, and the first one may be quicker to write than the others to look.
  const found = { result: existsSync(resultFile), recipe: existsSync(recipeFile) };
  const { result, recipe } = await fromFirst(communicator, found);
  if (result) return;
  const listener = communicator.rank === 0 ? told : undefined;
  const trainListener = listener?.onRun?.(run, index + 1, total);
  const shared = {
    out: run.folder,
    communicator,
    ...(trainListener && { listener: trainListener }),
    signal,
  };
  try {
    const outcome = recipe
      ? await resumeTraining(shared)
      : await trainNetwork({ ...shared, data, recipe: run.recipe });
    if (outcome.reason === 'interrupted') throw new InterruptedError('stopped');
  } finally {
    listener?.onRunEnd?.(run);
  }
}

function measured(
  measurement: PlannedMeasurement,
  results: ReadonlyMap<string, MeasurementResult>,
): Measured {
  return { measurement, errors: results.get(measurement.id)!.ranks.map((rank) => rank >= 1) };
}
