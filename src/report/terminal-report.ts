/** A run's report for the terminal. */
import { formatCount, formatPercent } from './format.ts';
import { mostConfused } from './html/run-page.ts';
import type { RunReport } from './run-report.ts';
import { formatFacts, formatTable } from './table.ts';

const LEVELS = '▁▂▃▄▅▆▇█';
const POINTS = 60;

/** Values as a line of blocks, the largest full; NaN where nothing is known is left out. */
export function sparkline(values: readonly number[]): string {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return '';
  const step = Math.max(1, known.length / POINTS);
  const shown = Array.from(
    { length: Math.min(POINTS, known.length) },
    (_, i) => known[Math.floor(i * step)]!,
  );
  const most = Math.max(...shown);
  return shown
    .map(
      (value) =>
        LEVELS[most > 0 ? Math.min(LEVELS.length - 1, Math.floor((value / most) * LEVELS.length)) : 0],
    )
    .join('');
}

export function formatTerminalReport(report: RunReport): string {
  const { run, facts, metrics, evaluation, byClass, labels } = report;
  const of = (kind: string, value: 'loss' | 'top1Error') =>
    metrics.filter((line) => line.kind === kind).map((line) => line[value]);
  const classes = byClass
    .map(({ images, top1Errors }, index) => ({ label: labels[index]!, images, error: top1Errors / images }))
    .filter(({ images }) => images > 0)
    .sort((a, b) => b.error - a.error)
    .slice(0, 10);
  const result = evaluation
    ? [
        [
          `error (${evaluation.protocol}, Q = ${evaluation.scales.join(', ')})`,
          `top-1 ${formatPercent(evaluation.top1Error)} %, top-5 ${formatPercent(evaluation.top5Error)} % on ${formatCount(evaluation.images)} images`,
        ] as const,
      ]
    : [];
  return [
    run,
    formatFacts([
      ...facts,
      ...result,
      ['training loss', sparkline(of('train', 'loss'))],
      ['validation error', sparkline(of('validation', 'top1Error'))],
    ]),
    formatTable(
      classes.map(({ label, images, error }) => [label, formatCount(images), formatPercent(error)]),
      { head: ['worst classes', 'images', 'top-1 error %'], align: ['left', 'right', 'right'] },
    ),
    formatTable(
      mostConfused(report, 10).map(({ truth, predicted, images }) => [truth, predicted, formatCount(images)]),
      { head: ['most confused', 'taken for', 'images'], align: ['left', 'left', 'right'] },
    ),
  ].join('\n\n');
}
