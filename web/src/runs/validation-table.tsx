import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';
import { DataTable } from '../ui/data-table.tsx';
import { count, figure, percent } from '../ui/display-values.ts';
import type { Series } from './series.ts';

type Column = readonly [header: string, cell: (line: MetricsLine, run: string) => string];

const RUN: Column = ['Run', (_, run) => run];
const TOP_5: Column = ['Top-5 error', ({ top5Error }) => percent(top5Error)];
const EVERYWHERE: readonly Column[] = [
  ['Epoch', ({ epoch }) => epoch.toFixed(2)],
  ['Iteration', ({ iteration }) => count(iteration)],
  ['Loss', ({ loss }) => loss.toFixed(4)],
];
const errorColumn = (name: string): Column => [name, ({ top1Error }) => percent(top1Error)];
const RATE: Column = ['Learning rate', ({ learningRate }) => figure(learningRate)];

interface ValidationTableProps {
  readonly series: readonly Series[];
  /** Name of the first error (default: Top-1 error). */
  readonly error?: string;
  /** Whether to show the top-5 error (default: false). */
  readonly full?: boolean;
  /** Whether to name the runs (default: false). */
  readonly named?: boolean;
}

/** Shows the validations in the charts as a table that can be opened. */
export function ValidationTable({
  series,
  error = 'Top-1 error',
  full = false,
  named = false,
}: ValidationTableProps) {
  const columns = [
    ...(named ? [RUN] : []),
    ...EVERYWHERE,
    errorColumn(error),
    ...(full ? [TOP_5] : []),
    RATE,
  ];
  const rows = series.flatMap(({ name, lines }) =>
    lines
      .filter(({ kind }) => kind === 'validation')
      .map((line) => columns.map(([, cell]) => cell(line, name))),
  );
  return (
    <details>
      <summary>Show as table</summary>
      <DataTable
        caption="Validation results, newest last"
        columns={columns.map(([header]) => header)}
        rows={rows}
      />
    </details>
  );
}
