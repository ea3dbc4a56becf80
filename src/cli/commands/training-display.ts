import type { TrainOutcome } from '../../api/run-training.ts';
import type { SurveyProgress } from '../../data/training/color-survey.ts';
import { imageFlops } from '../../net/cost.ts';
import { formatCount, formatDuration, formatErrors, formatSplit } from '../../report/format.ts';
import { formatFacts } from '../../report/table.ts';
import type { Metrics, TrainingMetrics } from '../../train/metrics.ts';
import type { TrainingPhase, TrainingStart, TrainListener } from '../../train/session.ts';
import type { TrainingProgress } from '../../train/trainer-hooks.ts';
import { log, warn } from '../output.ts';
import { shellWord } from '../program-name.ts';
import { ProgressBar, ProgressBars } from '../progress.ts';
import { TrainingLine } from './training-line.ts';

/** Shows the progress of training on stderr: bars on a terminal, and a line for each validation. */
export class TrainingDisplay implements TrainListener {
  readonly #bars = new ProgressBars();
  #bar: ProgressBar | undefined;
  #line: TrainingLine | undefined;
  #start: TrainingStart | undefined;
  #bestError = Number.POSITIVE_INFINITY;
  /** Operations of the paper's recipe on the same data, to report its cost once the speed is known. */
  paperFlops: number | undefined;

  get hasStarted(): boolean {
    return this.#start !== undefined;
  }

  onNote(note: string): void {
    log(note);
  }

  onWarning(warning: string): void {
    warn(warning);
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
    this.#bestError = start.best ?? Number.POSITIVE_INFINITY;
    const line = new TrainingLine(start);
    this.#line = line;
    this.#bar = new ProgressBar('training', totalIterations, { done: iteration, fields: () => line.fields });
  }

  onIteration(progress: TrainingProgress): void {
    this.#line?.step(progress);
    this.#bar?.update(progress.iteration);
  }

  onPhase(phase: TrainingPhase): void {
    this.#line?.enter(phase);
    this.#bar?.redraw();
  }

  onValidationProgress(done: number, total: number): void {
    this.#line?.validating(done, total);
    this.#bar?.redraw();
  }

  onMetrics(metrics: Metrics): void {
    if (metrics.kind === 'train') {
      // The first speed includes the start of the loader.
      if (metrics.iteration >= 20) this.#showCost(metrics);
      return;
    }
    const { epoch, iteration, loss, learningRate, top1Error } = metrics;
    const isBest = top1Error < this.#bestError;
    if (isBest) this.#bestError = top1Error;
    this.#line?.validated(top1Error, isBest);
    // Interval and chance are the same in every line, so only the result has them.
    const { classes, unbalanced, areBoxes } = this.#start!.validation;
    const errors = formatErrors(metrics, { classes, unbalanced, areBoxes, images: Number.POSITIVE_INFINITY });
    log(
      `epoch ${epoch.toFixed(1)}, iteration ${formatCount(iteration)}: validation ${errors}${isBest ? ' (best)' : ''}, loss ${loss.toFixed(4)} (rate ${Number(learningRate.toPrecision(3))})`,
    );
  }

  /** Once: the time that this training takes, and the paper's recipe would take at the same speed. */
  #showCost({ iteration, imagesPerSecond }: TrainingMetrics): void {
    if (this.paperFlops === undefined || !this.#start) return;
    const { network, batch, totalIterations } = this.#start;
    const seconds = ((totalIterations - iteration) * batch) / imagesPerSecond;
    const paper = this.paperFlops / (imageFlops(network).training * imagesPerSecond);
    this.paperFlops = undefined;
    log(
      `at ${formatCount(imagesPerSecond)} images per second this training takes about ${formatDuration(seconds)} more; ` +
        `the paper's recipe (${network.configuration} at full width, crop 224, 74 epochs) would take about ${formatDuration(paper)}`,
    );
  }

  stop(): void {
    this.#bars.stop();
    this.#bar?.stop();
  }
}

const REASONS = {
  iterations: 'all iterations completed',
  plateau: 'the validation error stopped improving after the last drop of the learning rate',
  interrupted: 'interrupted',
} as const;

/** The outcome of a training run as a table. */
export function formatTrainOutcome({
  run,
  reason,
  iterations,
  seconds,
  best,
  last,
  lastModel,
  validation,
}: TrainOutcome): string {
  const { images, split, classes, guessing, areBoxes } = validation;
  const measured = `center crops of ${formatCount(images)} ${formatSplit(split)}`;
  const rows: [string, string][] = [
    ['run', run],
    ['ended', REASONS[reason]],
    ['trained', `${formatCount(iterations)} iterations in ${formatDuration(seconds)}`],
  ];
  if (best) {
    const { top1Error, iteration, model } = best;
    rows.push(
      ['best model', `${model}, of iteration ${formatCount(iteration)}`],
      ['its error', `${formatErrors({ top1Error }, { images, classes, guessing, areBoxes })}, ${measured}`],
    );
  }
  if (last) {
    rows.push(['last model', lastModel], ['its error', `${formatErrors(last, validation)}, ${measured}`]);
  }
  return `${formatFacts(rows)}${areBoxes ? '' : `\n\n${nextSteps(run, best?.model ?? lastModel)}`}`;
}

/** A network for boxes needs another for the classes, so these commands are for classes only. */
function nextSteps(run: string, model: string): string {
  return `Try next:
  vgg predict PHOTO --model ${shellWord(model)}
  vgg report ${shellWord(run)} --out ${shellWord(`${run}.html`)}
  vgg serve --model ${shellWord(model)}`;
}
