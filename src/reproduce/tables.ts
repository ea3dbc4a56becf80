/** Tables 3 to 7 and the claims of section 4 in the paper's own form. */
import { parseTrainScale } from '../core/scale.ts';
import type { Protocol } from '../evaluate/protocol.ts';
import type { PlannedRun } from './chain.ts';
import { type ClaimResult, MARGIN } from './claims.ts';
import { type PlannedMeasurement, planMeasurements } from './measurements.ts';
import { type Errors, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7 } from './paper-figures.ts';
import type { PlanFile } from './plan-file.ts';
import type { MeasurementResult } from './results.ts';

export interface Reproduction {
  readonly plan: PlanFile;
  readonly runs: readonly PlannedRun[];
  /** By the measurement's id. */
  readonly results: ReadonlyMap<string, MeasurementResult>;
  readonly claims: readonly ClaimResult[];
}

export interface Cell {
  readonly text: string;
  /** The training that it comes from. */
  readonly run?: string;
}

export interface ReproductionTable {
  readonly title: string;
  readonly head: readonly string[];
  /** Empty where the plan has nothing for it. */
  readonly rows: readonly (readonly (string | Cell)[])[];
  readonly note?: string;
}

/** What stands above the tables. */
export function introduction({ results }: Reproduction): string {
  const first = [...results.values()][0];
  const images = first ? `${first.images} test images. ` : '';
  return `Errors in per cent, top-1 / top-5. ${images}The paper's figures, on ILSVRC-2012, stand beside ours; each of ours links to its run.`;
}

/** All tables, the claims last. */
export function tablesOf(reproduction: Reproduction): ReproductionTable[] {
  const measurements = planMeasurements(reproduction.runs);
  return [
    scaleTable('Table 3: one test scale', 'single', TABLE_3, measurements, reproduction),
    scaleTable('Table 4: several test scales', 'auto', TABLE_4, measurements, reproduction),
    table5(measurements, reproduction),
    table6(measurements, reproduction),
    table7(measurements, reproduction),
    claimsTable(reproduction.claims),
  ];
}

/** The whole report, as Markdown. */
export function formatReproduction(reproduction: Reproduction): string {
  const tables = tablesOf(reproduction).map(formatMarkdown);
  return `# ${reproduction.plan.title}\n\n${introduction(reproduction)}\n\n${tables.join('\n')}`;
}

function scaleTable(
  title: string,
  scales: 'single' | 'auto',
  paper: typeof TABLE_3,
  measurements: readonly PlannedMeasurement[],
  { results }: Reproduction,
): ReproductionTable {
  const rows = measurements
    .filter((one) => one.protocol === 'dense' && one.scales === scales && one.runs.length === 1)
    .map(({ id, runs: [run] }) => {
      const result = results.get(id);
      const published = paper[run!.net]?.[run!.stage] ?? null;
      const test = result ? result.scales.join(', ') : '–';
      return [run!.net, scaleOf(run!), test, ours(result, run!), theirs(published)];
    });
  return { title, head: ['ConvNet', 'train S', 'test Q', 'ours', 'paper'], rows };
}

const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  center: 'centre crop',
  dense: 'dense',
  crops: 'multi-crop',
  both: 'multi-crop & dense',
};

const COMPARED: readonly Protocol[] = ['dense', 'crops', 'both'];

function table5(measurements: readonly PlannedMeasurement[], { results }: Reproduction): ReproductionTable {
  const nets = measurements
    .filter((one) => one.protocol === 'crops' && one.runs.length === 1)
    .map(({ runs: [run] }) => run!);
  const rows = nets.flatMap((run) =>
    COMPARED.map((protocol) => {
      const result = results.get(`${run.id}.${protocol}.auto`);
      return [
        run.net,
        PROTOCOL_NAMES[protocol],
        ours(result, run),
        theirs(TABLE_5[run.net]?.[protocol] ?? null),
      ];
    }),
  );
  return {
    title: 'Table 5: dense, multi-crop and both',
    head: ['ConvNet', 'evaluation', 'ours', 'paper'],
    rows,
  };
}

function table6(measurements: readonly PlannedMeasurement[], { results }: Reproduction): ReproductionTable {
  const fused = measurements.filter(({ runs }) => runs.length > 1);
  const rows = fused.map(({ id, runs, protocol }) => {
    const published = runs.length === 2 ? (TABLE_6.best[protocol] ?? null) : TABLE_6.all;
    return [
      runs.map((run) => run.id).join(', '),
      PROTOCOL_NAMES[protocol],
      ours(results.get(id)),
      theirs(published),
    ];
  });
  return { title: 'Table 6: fusion', head: ['combined nets', 'evaluation', 'ours', 'paper'], rows };
}

function table7(measurements: readonly PlannedMeasurement[], { results }: Reproduction): ReproductionTable {
  const own = measurements
    .filter(({ protocol, runs }) => protocol === 'both' && runs.length <= 2)
    .sort((a, b) => b.runs.length - a.runs.length)
    .map(({ id, runs }) => {
      const result = results.get(id);
      const nets = runs.length === 1 ? `1 net, ${runs[0]!.net}` : `${runs.length} nets`;
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
  const rows = claims.map(({ claim, section: where, compared, result, verdict }) => [
    where,
    claim,
    compared,
    result ? `${signed(result.difference)} [${signed(result.low)}, ${signed(result.high)}]` : '–',
    verdict,
  ]);
  const note = `The difference is in points of top-1 error, the second's minus the first's, with its 95 % interval (paired bootstrap over images). A claim that something helps holds when the interval is below 0, and does not when it is above. A claim that something does not help holds when it helps by less than ${(100 * MARGIN).toFixed(1)} points for sure.`;
  const head = ['§', 'claim', 'compared', 'difference', 'verdict'];
  return { title: 'The claims of section 4', head, rows, note };
}

function formatMarkdown({ title, head, rows, note }: ReproductionTable): string {
  if (rows.length === 0) return `## ${title}\n\nNot part of this plan.\n`;
  const line = (cells: readonly (string | Cell)[]) => `| ${cells.map(markdownCell).join(' | ')} |`;
  const rule = line(head.map(() => '---'));
  const table = [line(head), rule, ...rows.map(line)].join('\n');
  return `## ${title}\n\n${table}\n${note ? `\n${note}\n` : ''}`;
}

function markdownCell(cell: string | Cell): string {
  if (typeof cell === 'string') return cell;
  return cell.run === undefined ? cell.text : `[${cell.text}](runs/${cell.run})`;
}

function ours(result: MeasurementResult | undefined, run?: PlannedRun): Cell {
  if (!result) return { text: 'not measured' };
  const text = `${percent(result.top1Error)} / ${percent(result.top5Error)}`;
  return run ? { text, run: run.id } : { text };
}

function theirs(errors: Errors | null): string {
  return errors ? errors.map((error) => error.toFixed(1)).join(' / ') : '–';
}

function scaleOf({ recipe }: PlannedRun): string {
  const { min, max } = parseTrainScale(recipe.scale);
  return min === max ? String(min) : `[${min}; ${max}]`;
}

function percent(fraction: number): string {
  return (100 * fraction).toFixed(1);
}

function signed(fraction: number): string {
  const points = (100 * fraction).toFixed(2);
  return fraction > 0 ? `+${points}` : points;
}
