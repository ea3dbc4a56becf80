import type { TrainOutcome } from '../../api/run-training.ts';
import type { SurveyProgress } from '../../data/training/color-survey.ts';
import { imageFlops } from '../../net/cost.ts';
import { formatCount, formatDuration, formatPercent, formatSplit } from '../../report/format.ts';
import { formatTable } from '../../report/table.ts';
import type { Metrics, TrainingMetrics, ValidationMetrics } from '../../train/metrics.ts';
import type { TrainingStart, TrainListener } from '../../train/session.ts';
import type { TrainingProgress } from '../../train/trainer-hooks.ts';
import { log } from '../output.ts';
import { ProgressBars } from '../progress.ts';

/** Shows the progress of training on stderr: bars on a terminal, and a line for each validation. */
export class TrainingDisplay implements TrainListener {
  readonly #bars = new ProgressBars();
  #iteration = 0;
  #totalIterations = 0;
  #start: TrainingStart | undefined;
  #unbalanced = false;
  /** Operations of the paper's recipe on the same data, to report its cost once the speed is known. */
  paperFlops: number | undefined;

  onNote(note: string): void {
    log(note);
  }

  onWarning(warning: string): void {
    log(`warning: ${warning}`);
  }

  onSurvey({ done, total, bad, what }: SurveyProgress & { readonly what: string }): void {
    const note = bad > 0 ? `${formatCount(bad)} unreadable` : '';
    this.#bars.show(`checking the ${what} images`, done, total, note);
    if (done === total) this.#bars.stop();
  }

  onStart(start: TrainingStart): void {
    const { network, backend, communicator, trainingImages, validation } = start;
    const { iteration, totalIterations } = start;
    this.#start = start;
    log(
      `network ${network.configuration}, ${network.weightLayers} weight layers, width ${network.width}, ${network.classes} classes, ` +
        `on ${formatCount(trainingImages)} images; validation on ${formatCount(validation.images)} ${formatSplit(validation.split)}; ${backend.description}`,
    );
    if (communicator.size > 1)
      log(`${communicator.size} ranks share each batch (${communicator.description})`);
    if (iteration > 0) log(`continuing after iteration ${formatCount(iteration)}`);
    this.#unbalanced = validation.unbalanced;
    this.#totalIterations = totalIterations;
    this.#show(iteration);
  }

  onIteration({ iteration, epoch, loss, top1Error, learningRate }: TrainingProgress): void {
    const note = `epoch ${epoch.toFixed(1)} · loss ${loss.toFixed(3)} · error ${formatPercent(top1Error)} % · rate ${learningRate}`;
    this.#show(iteration, note);
  }

  onValidationProgress(done: number, total: number): void {
    this.#show(this.#iteration, `validating ${formatCount(done)} of ${formatCount(total)}`);
  }

  onMetrics(metrics: Metrics): void {
    if (metrics.kind === 'train') {
      // The first speed includes the start of the loader.
      if (metrics.iteration >= 20) this.#showCost(metrics);
      return;
    }
    const { epoch, iteration, loss, learningRate } = metrics;
    log(
      `epoch ${epoch.toFixed(1)}, iteration ${formatCount(iteration)}: validation error ${errorsOf(metrics, this.#unbalanced)}, loss ${loss.toFixed(4)} (rate ${learningRate})`,
    );
  }

  /** Once: the time that this training takes, and the paper's recipe would take at the same speed. */
  #showCost({ iteration, imagesPerSecond }: TrainingMetrics): void {
    if (this.paperFlops === undefined || !this.#start) return;
    const { network, batch } = this.#start;
    const seconds = ((this.#totalIterations - iteration) * batch) / imagesPerSecond;
    const paper = this.paperFlops / (imageFlops(network).training * imagesPerSecond);
    this.paperFlops = undefined;
    log(
      `at ${formatCount(imagesPerSecond)} images per second this training takes about ${formatDuration(seconds)} more; ` +
        `the paper's recipe (${network.configuration} at full width, crop 224, 74 epochs) would take about ${formatDuration(paper)}`,
    );
  }

  #show(iteration: number, note?: string): void {
    this.#iteration = iteration;
    this.#bars.show('training', iteration, this.#totalIterations, note);
  }

  stop(): void {
    this.#bars.stop();
  }
}

const REASONS = {
  iterations: 'all iterations completed',
  plateau: 'the validation error stopped improving after the last drop of the learning rate',
  interrupted: 'interrupted',
} as const;

function errorsOf({ top1Error, top5Error, meanClassError }: ValidationMetrics, unbalanced: boolean): string {
  const mean =
    unbalanced && meanClassError !== undefined ? `, mean class ${formatPercent(meanClassError)} %` : '';
  return `top-1 ${formatPercent(top1Error)} %, top-5 ${formatPercent(top5Error)} %${mean}`;
}

/** The outcome of a training run as a table. */
export function formatTrainOutcome({
  run,
  reason,
  iterations,
  seconds,
  best,
  last,
  lastModel,
  validation: { split, images, unbalanced },
}: TrainOutcome): string {
  const rows = [
    ['run', run],
    ['ended', REASONS[reason]],
    ['trained', `${formatCount(iterations)} iterations in ${formatDuration(seconds)}`],
  ];
  if (last) {
    rows.push(
      ['last model', lastModel],
      ['validation error', `${errorsOf(last, unbalanced)}, on ${formatCount(images)} ${formatSplit(split)}`],
    );
  }
  if (best) {
    rows.push(
      ['best model', best.model],
      [
        'validation error',
        `top-1 ${formatPercent(best.top1Error)} %, at iteration ${formatCount(best.iteration)}`,
      ],
    );
  }
  return formatTable(rows);
}
