/** Tables 3 to 7 and the claims of section 4, as the paper prints them. */
import { parseTrainScale } from '../core/scale.ts';
import type { Protocol } from '../evaluate/protocol/protocol.ts';
import { type ClaimResult, MARGIN } from './claims.ts';
import type { ExperimentResult } from './experiment-results.ts';
import { type Experiment, experimentId, planExperiments, type TestScales } from './experiments.ts';
import { type Errors, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7 } from './published-results.ts';
import type { ReproductionPlan } from './reproduction-plan.ts';
import type { PlannedTraining } from './training-order.ts';

export interface Reproduction {
  readonly plan: ReproductionPlan;
  readonly trainings: readonly PlannedTraining[];
  /** Results by experiment id. */
  readonly results: ReadonlyMap<string, ExperimentResult>;
  readonly claims: readonly ClaimResult[];
}

/** A cell that links to a training. */
export interface LinkCell {
  readonly text: string;
  /** Id of the training; without one there is no link. */
  readonly training?: string;
}

export interface ReproductionTable {
  readonly title: string;
  readonly head: readonly string[];
  /** Empty when the table is not part of the plan. */
  readonly rows: readonly (readonly (string | LinkCell)[])[];
  readonly note?: string;
}

/** The paragraph above the tables. */
export function introduction({ results }: Reproduction): string {
  const first = [...results.values()][0];
  const images = first ? ` on ${first.images} validation images` : '';
  return `Top-1 / top-5 errors in per cent${images}. The paper's results, on ILSVRC-2012, are beside ours; each of ours links to its training.`;
}

/** All tables, the claims last. */
export function tablesOf(reproduction: Reproduction): ReproductionTable[] {
  const { trainings, results, claims } = reproduction;
  const experiments = planExperiments(trainings);
  return [
    scaleTable('Table 3: single test scale', 'single', TABLE_3, experiments, results),
    scaleTable('Table 4: multiple test scales', 'auto', TABLE_4, experiments, results),
    protocolTable(experiments, results),
    fusionTable(experiments, results),
    stateOfTheArtTable(experiments, results),
    claimsTable(claims),
  ];
}

/** All tables as Markdown. */
export function formatReproduction(reproduction: Reproduction): string {
  const tables = tablesOf(reproduction).map(formatMarkdown);
  return `# ${reproduction.plan.title}\n\n${introduction(reproduction)}\n\n${tables.join('\n')}`;
}

type Results = Reproduction['results'];

function scaleTable(
  title: string,
  scales: TestScales,
  published: typeof TABLE_3,
  experiments: readonly Experiment[],
  results: Results,
): ReproductionTable {
  const rows = experiments
    .filter((one) => one.protocol === 'dense' && one.scales === scales && one.trainings.length === 1)
    .map(({ id, trainings: [training] }) => {
      const { net, stage, recipe } = training!;
      const result = results.get(id);
      const { min, max } = parseTrainScale(recipe.scale);
      return [
        net,
        min === max ? String(min) : `[${min}; ${max}]`,
        result?.scales.join(', ') ?? '–',
        ours(result, training),
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

function protocolTable(experiments: readonly Experiment[], results: Results): ReproductionTable {
  const best = experiments.filter((one) => one.protocol === 'crops' && one.trainings.length === 1);
  const rows = best.flatMap(({ trainings: [training] }) =>
    (['dense', 'crops', 'both'] as const).map((protocol) => [
      training!.net,
      PROTOCOL_NAMES[protocol],
      ours(results.get(experimentId(training!.id, protocol, 'auto')), training),
      theirs(TABLE_5[training!.net]?.[protocol]),
    ]),
  );
  return {
    title: 'Table 5: dense and multi-crop evaluation',
    head: ['ConvNet', 'evaluation', 'ours', 'paper'],
    rows,
  };
}

function fusionTable(experiments: readonly Experiment[], results: Results): ReproductionTable {
  const rows = experiments
    .filter(({ trainings }) => trainings.length > 1)
    .map(({ id, trainings, protocol }) => [
      trainings.map((training) => training.id).join(', '),
      PROTOCOL_NAMES[protocol],
      ours(results.get(id)),
      theirs(trainings.length === 2 ? TABLE_6.best[protocol] : TABLE_6.all),
    ]);
  return { title: 'Table 6: fusion', head: ['combined nets', 'evaluation', 'ours', 'paper'], rows };
}

function stateOfTheArtTable(experiments: readonly Experiment[], results: Results): ReproductionTable {
  const own = experiments
    .filter(({ protocol, trainings }) => protocol === 'both' && trainings.length <= 2)
    .sort((a, b) => b.trainings.length - a.trainings.length)
    .map(({ id, trainings }) => {
      const result = results.get(id);
      const nets = trainings.length === 1 ? `1 net, ${trainings[0]!.net}` : `${trainings.length} nets`;
      return [
        `this reproduction (${nets}, multi-crop & dense)`,
        result ? percent(result.top1Error) : '–',
        result ? percent(result.top5Error) : '–',
        '–',
      ];
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
  const rows = claims.map(({ claim, section, compared, result, verdict }) => [
    section,
    claim,
    compared,
    result ? `${signed(result.difference)} [${signed(result.low)}, ${signed(result.high)}]` : '–',
    verdict,
  ]);
  const note = `Differences are the second top-1 error minus the first, in percentage points, with the 95 % confidence interval (paired bootstrap over images). A claim that something helps holds when the interval is below 0, and does not hold when it is above 0. A claim that something does not help holds when the whole interval shows a gain below ${(100 * MARGIN).toFixed(1)} points.`;
  const head = ['§', 'claim', 'compared', 'difference', 'verdict'];
  return { title: 'The claims of section 4', head, rows, note };
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
  return cell.training === undefined ? cell.text : `[${cell.text}](runs/${cell.training})`;
}

function ours(result: ExperimentResult | undefined, training?: PlannedTraining): LinkCell {
  if (!result) return { text: 'not measured' };
  return { text: `${percent(result.top1Error)} / ${percent(result.top5Error)}`, training: training?.id };
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
