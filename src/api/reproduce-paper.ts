/** Reproduces the experiments of section 4 from one plan: trains missing models, evaluates all, checks the claims. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { type Communicator, single } from '../comm/communicator.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { makeFolder, readBytes } from '../core/files.ts';
import { openImages } from '../data/sources/open-images.ts';
import type { Split } from '../data/sources/splits.ts';
import { formatReproductionPage } from '../report/html/reproduction-page.ts';
import { judgeClaims } from '../reproduce/claims.ts';
import { planEvaluations } from '../reproduce/evaluations.ts';
import type { ExperimentResult } from '../reproduce/experiment-results.ts';
import { planExperiments } from '../reproduce/experiments.ts';
import { parseReproductionPlan } from '../reproduce/reproduction-plan.ts';
import {
  formatReproduction,
  type Reproduction,
  type TrainingRecord,
} from '../reproduce/reproduction-tables.ts';
import { evaluationTimeOf, readEstimate, type StepTime, writeEstimate } from '../reproduce/step-times.ts';
import { planSeeds, type SeedTrainings } from '../reproduce/training-order.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { runFolder } from '../runs/run-folder.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { estimatePlan, type PlanRequest } from './estimate-plan.ts';
import { evaluateAll, type StepOptions, trainIfMissing } from './reproduction-steps.ts';

/** `out` is the folder for runs, evaluations and tables; an earlier reproduction there is continued. */
export interface ReproduceOptions extends PlanRequest, StepOptions {}

export interface ReproduceOutcome extends Reproduction {
  /** The tables, as Markdown. */
  readonly report: string;
  /** Path of the HTML page with the tables, the claims and the learning curves. */
  readonly reportFile: string;
}

/**
 * Carries out a plan, one seed after the other, and writes the report after each seed. It can be stopped at any time:
 * the next call skips what is already done.
 * @throws UserError when plan and data do not fit; InterruptedError after the signal.
 */
export async function reproducePaper(options: ReproduceOptions): Promise<ReproduceOutcome> {
  const { plan, origin, out, communicator = single, listener } = options;
  const isFirst = communicator.rank === 0;
  const seeds = planSeeds(plan, out, origin);
  const tested = isFirst ? await testedSplit(options.data) : undefined;
  if (isFirst) {
    const warning = selectionWarning(seeds, tested!);
    if (warning !== undefined) listener?.onWarning?.(warning);
    await claimFolder(options, seeds);
  }
  await checkSharedFolder(communicator, out);
  const total = seeds.reduce((sum, { trainings, longer }) => sum + trainings.length + longer.length, 0);
  const results: Map<string, ExperimentResult>[] = [];
  let outcome: ReproduceOutcome | undefined;
  let number = 0;
  for (const [index, one] of seeds.entries()) {
    for (const training of [...one.trainings, ...one.longer]) {
      await trainIfMissing(training, ++number, total, options);
    }
    // The first rank may still be writing the last model when the others get here.
    await communicator.barrier();
    results.push(await evaluateAll(one, options));
    outcome = await reported(options, seeds.slice(0, index + 1), results, tested);
  }
  return outcome!;
}

/** Judges the claims by the seeds that are done, and writes the report. */
async function reported(
  { plan, out, communicator = single }: ReproduceOptions,
  seeds: readonly SeedTrainings[],
  resultsBySeed: readonly ReadonlyMap<string, ExperimentResult>[],
  tested: Split | undefined,
): Promise<ReproduceOutcome> {
  const { trainings } = seeds[0]!;
  const experiments = planExperiments(trainings);
  const results = new Map(
    experiments.map(({ id }) => [id, resultsBySeed.map((results) => results.get(id)!)]),
  );
  const measured = experiments.map((experiment) => ({
    ...experiment,
    errors: results.get(experiment.id)!.map(({ ranks }) => ranks.map((rank) => rank >= 1)),
  }));
  const claims = judgeClaims(measured);
  const records = await recordsOf(seeds);
  const times = await timesOf(out, seeds, records);
  const reproduction: Reproduction = {
    plan,
    seeds,
    trainings,
    tested,
    results,
    claims,
    records,
    times,
  };
  const report = formatReproduction(reproduction);
  const reportFile = join(out, 'report.html');
  if (communicator.rank === 0) {
    await writeFileAtomically(join(out, 'times.json'), `${JSON.stringify(times, undefined, 1)}\n`);
    await writeFileAtomically(join(out, 'tables.md'), report);
    await writeFileAtomically(reportFile, formatReproductionPage(reproduction));
    await writeFileAtomically(join(out, 'claims.json'), `${JSON.stringify(claims, undefined, 2)}\n`);
  }
  return { ...reproduction, report, reportFile };
}

/** The images that the report is about. Validation images must not be training images. */
async function testedSplit(data: string): Promise<Split> {
  const { split } = await openImages(data, { split: 'val' });
  if (split !== undefined) return split;
  throw new UserError(`${data} has no separate validation images; divide it into the folders train and val`);
}

/** A warning if the images that decide about the trainings are those of the report. */
function selectionWarning(seeds: readonly SeedTrainings[], tested: Split): string | undefined {
  const selecting = seeds[0]!.trainings.filter(({ recipe }) => recipe['validate-on'] === 'val');
  if (tested !== 'val' || selecting.length === 0) return undefined;
  return 'the val images validate the trainings and also give the reported errors, so what was chosen by them (rate drops, epochs, the best weights) makes these errors too low; add "validate-on: held-out" to the recipe of the plan';
}

/** Records plan and data in the folder, or checks that it was started with the same; seeds may be added later. */
async function claimFolder(
  { out, plan, data, origin }: ReproduceOptions,
  seeds: readonly SeedTrainings[],
): Promise<void> {
  const file = join(out, 'plan.yaml');
  const isNew = !existsSync(file);
  if (!isNew) {
    const { data: earlierData, ...rest } = parse((await readBytes(file)).toString()) as Record<
      string,
      unknown
    >;
    const earlier = parseReproductionPlan(rest, file);
    // The trainings of a seed do not depend on the others.
    const isSame = isDeepStrictEqual(
      { ...earlier, seeds: earlier.seeds && [] },
      { ...plan, seeds: plan.seeds && [] },
    );
    if (!isSame || earlierData !== data) {
      const difference = isSame ? `the data ${earlierData}, not ${data}` : `another plan than ${origin}`;
      throw new UserError(`${out} was started with ${difference}; choose another --out`);
    }
  }
  for (const { folder } of seeds) {
    await makeFolder(join(folder, 'evaluations'));
    await makeFolder(join(folder, 'runs'));
  }
  if (isNew) await writeEstimate(out, (await estimatePlan({ data, plan, origin, out })).steps);
  await writeFileAtomically(file, stringify({ data, ...plan }));
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

async function recordsOf(seeds: readonly SeedTrainings[]): Promise<Map<string, TrainingRecord>> {
  const records = new Map<string, TrainingRecord>();
  for (const { prefix, trainings, longer } of seeds) {
    for (const { id, folder, recipe } of [...trainings, ...longer]) {
      const metrics = await readMetrics(runFolder(folder).metricsFile);
      records.set(prefix + id, { metrics, recipe: formatRecipe(recipe) });
    }
  }
  return records;
}

/** The estimate of each step, and what it took. */
async function timesOf(
  out: string,
  seeds: readonly SeedTrainings[],
  records: Reproduction['records'],
): Promise<StepTime[]> {
  const took = new Map<string, number | undefined>();
  for (const [id, { metrics }] of records) took.set(id, metrics.at(-1)?.seconds);
  for (const { prefix, folder, trainings } of seeds) {
    for (const { id } of planEvaluations(planExperiments(trainings))) {
      took.set(prefix + id, await evaluationTimeOf(join(folder, 'evaluations'), id));
    }
  }
  return ((await readEstimate(out)) ?? []).map((estimate) => ({ estimate, seconds: took.get(estimate.id) }));
}
