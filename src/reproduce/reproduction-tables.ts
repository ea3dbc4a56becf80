/** Tables 3 to 7 and the claims of section 4, as the paper prints them. */
import { parseTrainScale } from '../core/scale.ts';
import { deviationOf, meanOf } from '../core/statistics.ts';
import type { Protocol } from '../evaluate/protocol/protocol.ts';
import type { Metrics } from '../train/metrics.ts';
import { type ClaimResult, MARGIN } from './claims.ts';
import type { ExperimentResult } from './experiment-results.ts';
import { type Experiment, experimentId, planExperiments, type TestScales } from './experiments.ts';
import { type Errors, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7 } from './published-results.ts';
import type { ReproductionPlan } from './reproduction-plan.ts';
import type { StepTime } from './step-times.ts';
import type { PlannedTraining, SeedTrainings } from './training-order.ts';

export interface Reproduction {
  readonly plan: ReproductionPlan;
  /** The seeds that are done. */
  readonly seeds: readonly SeedTrainings[];
  /** Those of the first seed. */
  readonly trainings: readonly PlannedTraining[];
  /** The split of the results; undefined on other ranks than the first. */
  readonly tested?: 'train' | 'val' | 'test';
  /** Results by experiment id, one for each seed. */
  readonly results: ReadonlyMap<string, readonly ExperimentResult[]>;
  readonly claims: readonly ClaimResult[];
  /** By the training's id behind the prefix of its seed. */
  readonly records: ReadonlyMap<string, TrainingRecord>;
  readonly times: readonly StepTime[];
}

/** The records of one training run. */
export interface TrainingRecord {
  readonly metrics: readonly Metrics[];
  /** The recipe as YAML. */
  readonly recipe: string;
}

/** A cell that links to a training. */
export interface LinkCell {
  readonly text: string;
  /** Id of the training; without one there is no link. */
  readonly training?: string;
  /** Its run folder with the first seed, from the folder of the reproduction. */
  readonly folder?: string;
}

export interface ReproductionTable {
  readonly title: string;
  readonly head: readonly string[];
  /** Empty when the table is not part of the plan. */
  readonly rows: readonly (readonly (string | LinkCell)[])[];
  readonly note?: string;
}

/** The paragraphs above the tables. */
export function introduction(reproduction: Reproduction): string[] {
  const { results, seeds, plan } = reproduction;
  const first = [...results.values()][0]?.[0];
  const images = first ? ` on ${first.images} ${testedImages(reproduction)} images` : '';
  const planned = plan.seeds?.length ?? 1;
  const names = seeds.map(({ seed }) => seed).join(', ');
  const variance =
    seeds.length > 1
      ? `Errors are means over ${seeds.length} seeds (${names}) ± their standard deviation, and the intervals of the claims include the variance of training.`
      : 'Every net was trained with one seed: the variance of training is not included, so another seed may give other verdicts.';
  return [
    `${first && !hasTop5(first) ? 'Top-1' : 'Top-1 / top-5'} errors in per cent${images}. The paper's results (top-1 / top-5), on ILSVRC-2012, are beside ours; each of ours links to its training.`,
    variance + (seeds.length < planned ? ` So far ${seeds.length} of ${planned} seeds are done.` : ''),
    selectionOf(reproduction),
  ];
}

function testedImages({ tested }: Reproduction): string {
  return tested === 'test' ? 'test' : 'validation';
}

/** Which images decided what. */
function selectionOf(reproduction: Reproduction): string {
  const { trainings, records, seeds, plan } = reproduction;
  const metrics = records.get(seeds[0]!.prefix + trainings[0]!.id)?.metrics ?? [];
  const validation = metrics.findLast((line) => line.kind === 'validation');
  const tested = testedImages(reproduction);
  const plateaus = trainings.some(({ recipe }) => recipe['lr-drop-at'] === undefined);
  const decided = [
    ...(plateaus ? ['the drops of the learning rate and the end of training'] : []),
    ...(plan.weights === 'best' ? ['the weights that are evaluated'] : []),
  ];
  if (!validation) return `The ${tested} images gave the results.`;
  const isHeldOut = validation.split === 'held-out';
  const images = isHeldOut
    ? `${validation.images} training images that were held out`
    : `the ${tested} images`;
  const what =
    decided.length > 0
      ? `decided ${decided.join(' and ')}`
      : 'only gave the learning curves (rates and epochs are fixed by the plan, and the last weights are evaluated)';
  const honest = isHeldOut
    ? `The ${tested} images decided nothing; they were evaluated once, after training.`
    : 'The same images gave the results, so what was chosen by them makes the errors too low.';
  return `In each training, ${images} ${what}. ${honest}`;
}

/** All tables but that of the times, which differ when the same reproduction is repeated. */
export function tablesOf(reproduction: Reproduction): ReproductionTable[] {
  const { claims } = reproduction;
  const experiments = planExperiments(reproduction.trainings);
  return [
    scaleTable('Table 3: single test scale', 'single', TABLE_3, experiments, reproduction),
    scaleTable('Table 4: multiple test scales', 'auto', TABLE_4, experiments, reproduction),
    protocolTable(experiments, reproduction),
    fusionTable(experiments, reproduction),
    stateOfTheArtTable(experiments, reproduction),
    claimsTable(claims),
    ...convergenceTable(reproduction),
  ];
}

/** All tables as Markdown. */
export function formatReproduction(reproduction: Reproduction): string {
  const tables = tablesOf(reproduction).map(formatMarkdown);
  return `# ${reproduction.plan.title}\n\n${introduction(reproduction).join('\n\n')}\n\n${tables.join('\n')}`;
}

function scaleTable(
  title: string,
  scales: TestScales,
  published: typeof TABLE_3,
  experiments: readonly Experiment[],
  reproduction: Reproduction,
): ReproductionTable {
  const rows = experiments
    .filter((one) => one.protocol === 'dense' && one.scales === scales && one.trainings.length === 1)
    .map(({ id, trainings: [training] }) => {
      const { net, stage, recipe } = training!;
      const { min, max } = parseTrainScale(recipe.scale);
      return [
        net,
        min === max ? String(min) : `[${min}; ${max}]`,
        reproduction.results.get(id)?.[0]?.scales.join(', ') ?? '–',
        ours(reproduction, id, training),
        theirs(published[net]?.[stage]),
      ];
    });
  return { title, head: ['ConvNet', 'train S', 'test Q', 'ours', 'paper'], rows };
}

const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  center: 'center crop',
  dense: 'dense',
  crops: 'multi-crop',
  both: 'multi-crop & dense',
};

function protocolTable(experiments: readonly Experiment[], reproduction: Reproduction): ReproductionTable {
  const best = experiments.filter((one) => one.protocol === 'crops' && one.trainings.length === 1);
  const rows = best.flatMap(({ trainings: [training] }) =>
    (['dense', 'crops', 'both'] as const).map((protocol) => [
      training!.net,
      PROTOCOL_NAMES[protocol],
      ours(reproduction, experimentId(training!.id, protocol, 'auto'), training),
      theirs(TABLE_5[training!.net]?.[protocol]),
    ]),
  );
  return {
    title: 'Table 5: dense and multi-crop evaluation',
    head: ['ConvNet', 'evaluation', 'ours', 'paper'],
    rows,
  };
}

function fusionTable(experiments: readonly Experiment[], reproduction: Reproduction): ReproductionTable {
  const rows = experiments
    .filter(({ trainings }) => trainings.length > 1)
    .map(({ id, trainings, protocol }) => [
      trainings.map((training) => training.id).join(', '),
      PROTOCOL_NAMES[protocol],
      ours(reproduction, id),
      theirs(trainings.length === 2 ? TABLE_6.best[protocol] : TABLE_6.all),
    ]);
  return { title: 'Table 6: fusion', head: ['combined nets', 'evaluation', 'ours', 'paper'], rows };
}

function stateOfTheArtTable(
  experiments: readonly Experiment[],
  reproduction: Reproduction,
): ReproductionTable {
  const own = experiments
    .filter(({ protocol, trainings }) => protocol === 'both' && trainings.length <= 2)
    .sort((a, b) => b.trainings.length - a.trainings.length)
    .map(({ id, trainings }) => {
      const { top1 = '–', top5 = '–' } = meanErrors(reproduction, id) ?? {};
      const nets = trainings.length === 1 ? `1 net, ${trainings[0]!.net}` : `${trainings.length} nets`;
      return [`this reproduction (${nets}, multi-crop & dense)`, top1, top5, '–'];
    });
  const others = TABLE_7.map(([method, ...errors]) => [
    method,
    ...errors.map((error) => error?.toFixed(1) ?? '–'),
  ]);
  return {
    title: 'Table 7: comparison with the state of the art (others: ILSVRC-2012)',
    head: ['method', 'top-1 val.', 'top-5 val.', 'top-5 test'],
    rows: own.length > 0 ? [...own, ...others] : [],
  };
}

function claimsTable(claims: readonly ClaimResult[]): ReproductionTable {
  const rows = claims.map(({ claim, section, compared, result, verdict, seedsToDecide }) => [
    section,
    claim,
    compared,
    result ? `${signed(result.difference)} [${signed(result.low)}, ${signed(result.high)}]` : '–',
    verdict,
    verdict === 'not decided' ? String(seedsToDecide ?? 'unknown') : '–',
  ]);
  const drawn = claims.some(({ result }) => (result?.seeds ?? 1) > 1)
    ? 'a bootstrap over images, paired, and seeds'
    : 'paired bootstrap over images; one seed, so the variance of training is not included';
  const note = `Differences are the second top-1 error minus the first, in percentage points, with the 95 % confidence interval (${drawn}). A claim that something helps holds when the interval is below 0, and does not hold when it is above 0. A claim that something does not help holds when the whole interval shows a gain below ${(100 * MARGIN).toFixed(1)} points. The last column estimates how many seeds would decide a claim if its difference stayed what it is; "more images": no number of seeds would.`;
  const head = ['§', 'claim', 'compared', 'difference', 'verdict', 'seeds to decide'];
  return { title: 'The claims of section 4', head, rows, note };
}

/** Whether twice the epochs would train the nets much further. */
function convergenceTable({ seeds, trainings, records }: Reproduction): ReproductionTable[] {
  const { prefix, longer } = seeds[0]!;
  if (longer.length === 0) return [];
  const rows = longer.map(({ id, recipe }) => {
    const base = trainings.find((training) => `${training.id}-twice` === id)!;
    const [once, twice] = [base.id, id].map((one) => trainingError(records.get(prefix + one)?.metrics ?? []));
    const share = once === undefined || twice === undefined ? undefined : (1 - once) / (1 - twice);
    return [
      base.id,
      String(base.recipe.epochs),
      errorCell(once),
      String(recipe.epochs),
      errorCell(twice),
      share === undefined ? '–' : percent(share),
    ];
  });
  return [
    {
      title: 'Twice the epochs',
      head: ['training', 'epochs', 'training error', 'epochs', 'training error', 'accuracy reached, %'],
      rows,
      note: 'Top-1 errors in training, on augmented images and with dropout, the mean over the last epoch. The last column is the accuracy of the shorter training in per cent of that of the longer one. The paper reports results of nets that are trained to the end; the aim here is at least 95 %.',
    },
  ];
}

/** The top-1 error in training over the last epoch. */
function trainingError(metrics: readonly Metrics[]): number | undefined {
  const lines = metrics.filter(({ kind }) => kind === 'train');
  const end = lines.at(-1)?.epoch;
  if (end === undefined) return undefined;
  return meanOf(lines.filter(({ epoch }) => epoch > end - 1).map(({ top1Error }) => top1Error));
}

function errorCell(error: number | undefined): string {
  return error === undefined ? '–' : percent(error);
}

/** The times of the steps that are done, against the estimate made before the first one. */
export function timeTable({ times }: Reproduction): ReproductionTable[] {
  const rows = (['training', 'evaluation'] as const).flatMap((kind) => {
    const done = times.filter(({ estimate, seconds }) => estimate.kind === kind && seconds !== undefined);
    if (done.length === 0) return [];
    const sum = (key: 'seconds' | 'low' | 'high') =>
      done.reduce((total, { estimate }) => total + estimate[key], 0);
    const took = done.reduce((total, { seconds }) => total + seconds!, 0);
    return [
      [
        `${done.length} ${kind}s`,
        minutes(sum('seconds')),
        `${minutes(sum('low'))} to ${minutes(sum('high'))}`,
        minutes(took),
        (took / sum('seconds')).toFixed(2),
      ],
    ];
  });
  if (rows.length === 0) return [];
  const note =
    'The estimate was made when the reproduction was started, with the load that the machine had then; the lower end of the range assumes no other load.';
  const head = ['steps', 'estimate, min', 'range, min', 'took, min', 'took / estimate'];
  return [{ title: 'Time', head, rows, note }];
}

function minutes(seconds: number): string {
  return (seconds / 60).toFixed(seconds < 600 ? 2 : 0);
}

function formatMarkdown({ title, head, rows, note }: ReproductionTable): string {
  if (rows.length === 0) return `## ${title}\n\nNot part of this plan.\n`;
  const line = (cells: readonly (string | LinkCell)[]) => `| ${cells.map(markdownCell).join(' | ')} |`;
  const rule = line(head.map(() => '---'));
  const table = [line(head), rule, ...rows.map(line)].join('\n');
  return `## ${title}\n\n${table}\n${note ? `\n${note}\n` : ''}`;
}

function markdownCell(cell: string | LinkCell): string {
  if (typeof cell === 'string') return cell;
  return cell.folder === undefined ? cell.text : `[${cell.text}](${cell.folder})`;
}

function ours(reproduction: Reproduction, id: string, training?: PlannedTraining): LinkCell {
  const errors = meanErrors(reproduction, id);
  if (!errors) return { text: 'not measured' };
  const text = errors.top5 === undefined ? errors.top1 : `${errors.top1} / ${errors.top5}`;
  if (!training) return { text };
  return { text, training: training.id, folder: `${reproduction.seeds[0]!.prefix}runs/${training.id}` };
}

/** With five classes or fewer there is no top-5 error. Older results, which do not have their number, have more. */
function hasTop5({ classes = 1000 }: ExperimentResult): boolean {
  return classes > 5;
}

/** `25.6 ± 0.2`, without the deviation if there is one seed. */
function meanErrors({ results }: Reproduction, id: string): { top1: string; top5?: string } | undefined {
  const found = results.get(id);
  if (!found || found.length === 0) return undefined;
  const format = (errors: number[]) =>
    percent(meanOf(errors)) + (errors.length > 1 ? ` ± ${percent(deviationOf(errors))}` : '');
  return {
    top1: format(found.map(({ top1Error }) => top1Error)),
    top5: hasTop5(found[0]!) ? format(found.map(({ top5Error }) => top5Error)) : undefined,
  };
}

function theirs(errors: Errors | null | undefined): string {
  return errors?.map((error) => error.toFixed(1)).join(' / ') ?? '–';
}

function percent(fraction: number): string {
  return (100 * fraction).toFixed(1);
}

function signed(fraction: number): string {
  const points = (100 * fraction).toFixed(2);
  return fraction > 0 ? `+${points}` : points;
}
