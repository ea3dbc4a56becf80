/** `vgg evaluate --task localize`: the protocols of appendix A. */
import { evaluateLocalization, type LocalizationResult } from '../../api/evaluate-localization.ts';
import { UsageError } from '../../core/errors.ts';
import type { BadImage } from '../../data/sources/bad-images.ts';
import type { Split } from '../../data/sources/splits.ts';
import { formatCount, formatDuration, formatPercent } from '../../report/format.ts';
import { type Column, tableOf } from '../../report/table.ts';
import type { FlagsOf } from '../command.ts';
import { type formatOptions, readOptionsOf } from '../format-options.ts';
import { messagesOf, reportBad, type skipBad } from '../image-files.ts';
import { untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import type { modelOptions } from '../model-options.ts';
import { log, printAs } from '../output.ts';
import { withBars } from '../progress.ts';
import { isAmongRanks, type rankOptions } from '../ranks.ts';

/** The flags of `vgg evaluate`. */
interface Flags
  extends FlagsOf<
    typeof modelOptions & typeof formatOptions & typeof rankOptions & { skipBad: typeof skipBad }
  > {
  readonly classifier?: readonly string[];
  readonly boxes?: string;
  readonly split?: Split;
  readonly batch?: number;
  readonly details?: boolean;
  readonly predictions?: string;
  readonly submission?: string;
  readonly resume?: boolean;
  readonly journal?: string;
}

/** Flags of `vgg evaluate` that do not apply to boxes. */
const OTHERS = ['batch', 'details', 'resume', 'journal', 'flip'] as const;

export async function evaluateBoxes(data: string, flags: Flags): Promise<void> {
  const { protocol, classifier: classifiers, model: models, skipBad } = flags;
  const other = OTHERS.find((name) => flags[name] !== undefined);
  if (other !== undefined) throw new UsageError(`--${other} does not apply to --task localize; leave it out`);
  if (isAmongRanks(flags)) throw new UsageError('--task localize runs in one process; leave out --mpi');
  if (protocol !== undefined && protocol !== 'center' && protocol !== 'dense') {
    throw new UsageError(`--task localize has the protocols center and dense, not ${protocol}`);
  }
  const read = await readOptionsOf(flags);
  await downloadModels([...models, ...(classifiers ?? [])]);
  const bad: BadImage[] = [];
  const result = await withBars((show) =>
    untilInterrupted((signal) =>
      evaluateLocalization({
        ...flags,
        ...{ data, read, signal, models, classifiers, protocol },
        onProgress: (done, total) => show('evaluating', done, total),
        onNote: log,
        onBad: skipBad ? (images) => bad.push(...images) : undefined,
      }),
    ),
  );
  printAs({ task: 'localize', ...result, bad: messagesOf(bad) }, flags, () => formatLocalization(result));
  reportBad(bad, result.images + bad.length, flags, ` of ${data}`);
}

function formatLocalization(result: LocalizationResult): string {
  const errorColumn = (title: string, key: 'error' | 'top5Error' | 'classificationTop5Error') =>
    [
      title,
      (row: LocalizationResult) => {
        const { value, interval } = row[key]!;
        return `${formatPercent(value)} (${interval.map(formatPercent).join(' to ')})`;
      },
      'right',
    ] satisfies Column<LocalizationResult>;
  const isDense = result.protocol === 'dense';
  const columns: Column<LocalizationResult>[] = [
    ['model', ({ models }) => models.join(' + ')],
    ...(isDense
      ? [['classifier', ({ classifiers }) => classifiers.join(' + ')] satisfies Column<LocalizationResult>]
      : []),
    ['split', ({ split }) => split ?? 'all'],
    ['protocol', ({ protocol }) => (protocol === 'center' ? 'center, true class' : protocol)],
    ['Q', ({ scales }) => scales.join(', '), 'right'],
    ['images', ({ images }) => formatCount(images), 'right'],
    errorColumn(isDense ? 'top-1 localization error %' : 'box error %', 'error'),
    ...(isDense
      ? [
          errorColumn('top-5 localization error %', 'top5Error'),
          errorColumn('top-5 class error %', 'classificationTop5Error'),
        ]
      : []),
    [
      'mean overlap',
      ({ meanOverlap }) => (Number.isNaN(meanOverlap) ? '–' : meanOverlap.toFixed(3)),
      'right',
    ],
    ['time', ({ seconds }) => formatDuration(seconds), 'right'],
  ];
  return `${tableOf([result], columns)}\n\nIn parentheses 95 % intervals. A box is right if its intersection over union with the true box is above 0.5.`;
}
