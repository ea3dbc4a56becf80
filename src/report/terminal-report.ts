/** A report on a run for the terminal. */
import { formatCount, formatPercent } from './format.ts';
import {
  differingFacts,
  factOf,
  formatMethod,
  formatReportedErrors,
  mostConfused,
  type RunReport,
  worstClasses,
} from './run-report.ts';
import { formatFacts, formatTable, tableOf } from './table.ts';

const LEVELS = '▁▂▃▄▅▆▇█';
const POINTS = 60;

/** Draws values as a line of blocks, the highest for the largest value; skips NaN. */
export function sparkline(values: readonly number[]): string {
  const known = values.filter(Number.isFinite);
  const count = Math.min(POINTS, known.length);
  const shown = Array.from({ length: count }, (_, i) => known[Math.floor((i * known.length) / count)]!);
  const most = Math.max(...shown);
  const level = (value: number) => (most > 0 ? Math.floor((value / most) * LEVELS.length) : 0);
  return shown.map((value) => LEVELS[Math.min(LEVELS.length - 1, level(value))]).join('');
}

export function formatTerminalReport(report: RunReport): string {
  const { run, facts, metrics } = report;
  const valuesOf = (kind: string, value: 'loss' | 'top1Error') =>
    metrics.filter((line) => line.kind === kind).map((line) => line[value]);
  return [
    run,
    formatFacts([
      ...facts,
      ['evaluated', formatMethod(report)],
      ['error', formatReportedErrors(report)],
      ['training loss', sparkline(valuesOf('train', 'loss'))],
      ['validation error', sparkline(valuesOf('validation', 'top1Error'))],
    ]),
    formatTable(
      worstClasses(report, 10).map(({ label, images, error }) => [
        label,
        formatCount(images),
        formatPercent(error),
      ]),
      { head: ['worst classes', 'images', 'top-1 error %'], align: ['left', 'right', 'right'] },
    ),
    formatTable(
      mostConfused(report, 10).map(({ truth, predicted, images }) => [truth, predicted, formatCount(images)]),
      { head: ['most confused', 'predicted as', 'images'], align: ['left', 'left', 'right'] },
    ),
  ].join('\n\n');
}

/** Several runs side by side: what differs between them, and their errors. */
export function formatComparison(reports: readonly RunReport[]): string {
  return tableOf(reports, [
    ['run', ({ run }) => run],
    ...differingFacts(reports).map((name) => [name, (report: RunReport) => factOf(report, name)] as const),
    ['checkpoint', ({ checkpoint }) => checkpoint],
    ['images', ({ evaluation }) => formatCount(evaluation.images), 'right'],
    ['top-1 error %', ({ evaluation }) => formatPercent(evaluation.top1Error), 'right'],
  ]);
}
