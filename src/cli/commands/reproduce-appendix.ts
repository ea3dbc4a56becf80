/** `vgg reproduce --appendix`: Tables 8 to 10 (boxes) and 11 (linear classifiers on features). */
import {
  type LocalizationTables,
  reproduceLocalization,
  reproduceTransfer,
} from '../../api/reproduce-appendices.ts';
import type { TransferResult } from '../../api/transfer-features.ts';
import { UsageError } from '../../core/errors.ts';
import { formatPercent } from '../../report/format.ts';
import { formatTable } from '../../report/table.ts';
import {
  TABLE_8,
  TABLE_9,
  TABLE_10,
  TABLE_11,
  type TransferSet,
} from '../../reproduce/published-appendices.ts';
import { readRecipeFile } from '../../train/recipe-file.ts';
import { SAVING, untilInterrupted } from '../interrupt.ts';
import { log, printAs } from '../output.ts';
import { TrainingDisplay } from './training-display.ts';

interface Flags {
  readonly appendix: 'a' | 'b';
  readonly out: string;
  readonly model?: readonly string[];
  readonly boxes?: string;
  readonly recipe?: string;
  readonly set?: TransferSet;
  readonly json?: boolean;
}

export async function reproduceAppendix(data: string, flags: Flags): Promise<void> {
  const { appendix, out, model: models = [], boxes, set } = flags;
  const shared = { data, out, models, onStep: log };
  if (appendix === 'a') {
    if (set !== undefined) throw new UsageError('--set names a data set of appendix B; leave it out');
    const recipe = flags.recipe === undefined ? undefined : await readRecipeFile(flags.recipe);
    const listener = new TrainingDisplay();
    const tables = await untilInterrupted(
      (signal) => reproduceLocalization({ ...shared, boxes, recipe, listener, signal }),
      SAVING,
    ).finally(() => listener.stop());
    printAs(tables, flags, formatLocalization);
    return;
  }
  if (boxes !== undefined || flags.recipe !== undefined) {
    throw new UsageError('--boxes and --recipe are for appendix A; leave them out');
  }
  if (set === undefined) throw new UsageError('name the data set of Table 11: --set Caltech-101');
  const results = await untilInterrupted((signal) => reproduceTransfer({ ...shared, set, signal }));
  printAs({ results }, flags, () => formatTransfer(results, set));
}

function inPercent({ value, interval }: { value: number; interval: readonly [number, number] }): string {
  return `${formatPercent(value)} (${interval.map(formatPercent).join(' to ')})`;
}

function formatLocalization({ center, dense }: LocalizationTables): string {
  const align = ['left', 'right', 'right'] as const;
  const rows8 = Object.entries(TABLE_8).map(([name, paper]) => [
    name,
    center[name] ? inPercent(center[name].error) : '–',
    paper.toFixed(1),
  ]);
  const rows9 = Object.entries(TABLE_9).map(([name, paper]) => {
    const result = dense[name];
    return [
      result ? `${name}, Q = ${result.scales.join(', ')}` : name,
      result?.top5Error ? inPercent(result.top5Error) : '–',
      paper.toFixed(1),
    ];
  });
  const best = dense.fusion ?? dense.first;
  const figure = (value: number | null) => value?.toFixed(1) ?? '–';
  const rows10 = [
    ['here', best?.top5Error ? formatPercent(best.top5Error.value) : '–', '–'],
    ...TABLE_10.map(([method, validation, test]) => [method, figure(validation), figure(test)]),
  ];
  return [
    'Table 8: box error of the true class on center crops, % (95 % interval)',
    formatTable(rows8, { head: ['last layer and trained layers', 'here', 'paper'], align: [...align] }),
    'Table 9: top-5 localization error, % (95 % interval)',
    formatTable(rows9, { head: ['networks and test scales', 'here', 'paper'], align: [...align] }),
    'Table 10: top-5 localization error, %',
    formatTable(rows10, { head: ['method', 'validation', 'test'], align: [...align] }),
  ].join('\n');
}

function formatTransfer(results: readonly TransferResult[], set: TransferSet): string {
  const isVoc = set.startsWith('VOC');
  // Of one model alone there is one row.
  const rows = results.map(({ splits, recall }, i) => {
    const [first] = splits;
    const precision = set === 'VOC-2007' ? first!.elevenPoint : first!.allPoint;
    const here = isVoc
      ? precision && inPercent(precision)
      : recall && `${formatPercent(recall.mean)} ± ${formatPercent(recall.deviation)}`;
    return [['first model', 'second model', 'both'][i]!, here ?? '–', TABLE_11[i]![set]];
  });
  const what = isVoc ? 'mean average precision, % (95 % interval)' : 'mean class recall, % ± deviation';
  return `Table 11, ${set}: ${what}\n${formatTable(rows, {
    head: ['features', 'here', 'paper (D, E, both)'],
    align: ['left', 'right', 'right'],
  })}`;
}
