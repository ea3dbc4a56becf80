/** The progress of an evaluation, and its results as tables and as JSON. */
import type { EvaluationProgress } from '../../api/evaluate-model.ts';
import { isUnbalanced } from '../../core/classification.ts';
import { guessingError } from '../../core/guessing.ts';
import type { EvaluationResult } from '../../evaluate/results/error-rates.ts';
import { confusionMatrix, measureByClass } from '../../evaluate/results/error-rates.ts';
import { formatCount, formatDuration, formatInterval, formatPercent, hasTop5 } from '../../report/format.ts';
import { type Column, tableOf } from '../../report/table.ts';
import type { ShowProgress } from '../progress.ts';

const MOST_CONFUSED = 10;
const TOP5_ERROR: Column<{ readonly top5Error: number }> = [
  'top-5 error %',
  ({ top5Error }) => errorOf(top5Error),
  'right',
];
const MEAN_CLASS_ERROR: Column<EvaluationResult> = [
  'mean class error %',
  ({ meanClassError }) => errorOf(meanClassError),
  'right',
];

/** Shows an evaluation's progress as a bar with the error so far. */
export function showEvaluation(show: ShowProgress, label: string): (progress: EvaluationProgress) => void {
  return ({ done, total, top1Error }) =>
    show(label, done, total, Number.isNaN(top1Error) ? '' : `top-1 error ${formatPercent(top1Error)} %`);
}

/**
 * One row: protocol, scales, errors; on few images with the 95 % interval and the error of chance, and with the mean class
 * error if some classes have far more images than others.
 */
export function formatEvaluation(result: EvaluationResult): string {
  const byClass = measureByClass(result.results, result.classes.length);
  const { top1Error: error, labeled, classes } = result;
  const interval = formatInterval(error, labeled);
  const guessing = guessingError(byClass.map(({ images }) => images));
  return tableOf(
    [result],
    [
      ['model', ({ models }) => models.map(nameOfModel).join(' + ')],
      ['split', ({ split }) => split ?? 'all'],
      ['protocol', ({ protocol }) => protocol],
      ['flips', ({ flip }) => (flip ? 'yes' : 'no')],
      ['Q', ({ scales }) => scales.join(', '), 'right'],
      ['images', ({ images }) => formatCount(images), 'right'],
      ['top-1 error %', ({ top1Error }) => errorOf(top1Error), 'right'],
      ...(interval === undefined ? [] : doubtColumns(interval, guessing)),
      ...(hasTop5(classes.length) ? [TOP5_ERROR] : []),
      ...(isUnbalanced(byClass.map(({ images }) => images)) ? [MEAN_CLASS_ERROR] : []),
      ['loss', ({ loss }) => (Number.isNaN(loss) ? '–' : loss.toFixed(4)), 'right'],
      ['time', ({ seconds }) => formatDuration(seconds), 'right'],
    ],
  );
}

/** `photos/best` for runs/photos/best.safetensors: the checkpoint matters. */
function nameOfModel(path: string): string {
  return path
    .split(/[\\/]/)
    .slice(-2)
    .join('/')
    .replace(/\.safetensors$/, '');
}

function doubtColumns(interval: string, guessing: number): Column<EvaluationResult>[] {
  return [
    ['95 % interval', () => interval, 'right'],
    ['chance %', () => formatPercent(guessing), 'right'],
  ];
}

/** The error of each class (NaN without images), and the confusion matrix: `confusion[true][predicted]` images. */
export function detailsOf({ results, classes, labels }: EvaluationResult) {
  const matrix = confusionMatrix(results, classes.length);
  const perClass = measureByClass(results, classes.length).map(
    ({ images, top1Errors, top5Errors }, index) => ({
      index,
      class: classes[index]!,
      label: labels[index]!,
      images,
      top1Error: top1Errors / images,
      top5Error: top5Errors / images,
    }),
  );
  const confusion = classes.map((_, label) => [
    ...matrix.subarray(label * classes.length, (label + 1) * classes.length),
  ]);
  return { perClass, confusion };
}

/** The classes, worst first, and the most frequent confusions. */
export function formatDetails(result: EvaluationResult): string {
  const { perClass, confusion } = detailsOf(result);
  const shown = perClass.filter(({ images }) => images > 0);
  shown.sort((a, b) => b.top1Error - a.top1Error || b.top5Error - a.top5Error || a.index - b.index);
  const classTable = tableOf(shown, [
    ['class', ({ label }) => label],
    ['images', ({ images }) => formatCount(images), 'right'],
    ['top-1 error %', ({ top1Error }) => errorOf(top1Error), 'right'],
    ...(hasTop5(result.classes.length) ? [TOP5_ERROR] : []),
  ]);
  const mistakes = mostConfused(confusion);
  if (mistakes.length === 0) return classTable;
  const mistakeTable = tableOf(mistakes, [
    ['class', ({ label }) => result.labels[label]!],
    ['predicted as', ({ predicted }) => result.labels[predicted]!],
    ['images', ({ images }) => formatCount(images), 'right'],
  ]);
  return `${classTable}\n\n${mistakeTable}`;
}

function mostConfused(confusion: readonly (readonly number[])[]) {
  return confusion
    .flatMap((row, label) => row.map((images, predicted) => ({ label, predicted, images })))
    .filter(({ label, predicted, images }) => images > 0 && label !== predicted)
    .sort((a, b) => b.images - a.images)
    .slice(0, MOST_CONFUSED);
}

function errorOf(error: number | null): string {
  return error === null || Number.isNaN(error) ? '–' : formatPercent(error);
}
