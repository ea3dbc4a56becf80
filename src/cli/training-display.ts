import type { SurveyProgress } from '../data/training/color-survey.ts';
import { formatCount, formatPercent } from '../report/format.ts';
import type { Metrics } from '../train/metrics.ts';
import type { TrainingStart, TrainListener } from '../train/session.ts';
import type { TrainingProgress } from '../train/trainer-hooks.ts';
import { log } from './output.ts';
import { ProgressBar } from './progress.ts';

/** Shows the progress of training on stderr: bars on a terminal, and a line for each validation. */
export class TrainingDisplay implements TrainListener {
  #survey: { readonly what: string; readonly bar: ProgressBar } | undefined;
  #training: ProgressBar | undefined;
  #iteration = 0;

  onNote(note: string): void {
    log(note);
  }

  onSurvey({ done, total, bad, what }: SurveyProgress & { readonly what: string }): void {
    if (this.#survey?.what !== what) {
      this.#survey?.bar.stop();
      this.#survey = { what, bar: new ProgressBar(`checking the ${what} images`, total) };
    }
    this.#survey.bar.update(done, bad > 0 ? `${formatCount(bad)} unreadable` : '');
    if (done === total) this.#survey.bar.stop();
  }

  onStart({
    network,
    backend,
    communicator,
    trainingImages,
    validationImages,
    iteration,
    totalIterations,
  }: TrainingStart): void {
    this.#survey?.bar.stop();
    log(
      `network ${network.configuration}, ${network.weightLayers} weight layers, width ${network.width}, ${network.classes} classes, ` +
        `on ${formatCount(trainingImages)} images; validation on ${formatCount(validationImages)}; ${backend.description}`,
    );
    if (communicator.size > 1)
      log(`${communicator.size} ranks share each batch (${communicator.description})`);
    if (iteration > 0) log(`continuing after iteration ${formatCount(iteration)}`);
    this.#training = new ProgressBar('training', totalIterations, { done: iteration });
  }

  onIteration({ iteration, epoch, loss, top1Error, learningRate }: TrainingProgress): void {
    this.#iteration = iteration;
    const note = `epoch ${epoch.toFixed(1)} · loss ${loss.toFixed(3)} · error ${formatPercent(top1Error)} % · rate ${learningRate}`;
    this.#training?.update(iteration, note);
  }

  onValidationProgress(done: number, total: number): void {
    this.#training?.update(this.#iteration, `validating ${formatCount(done)} of ${formatCount(total)}`);
  }

  onMetrics(metrics: Metrics): void {
    if (metrics.kind !== 'validation') return;
    const { epoch, iteration, loss, top1Error, top5Error, learningRate } = metrics;
    log(
      `epoch ${epoch.toFixed(1)}, iteration ${formatCount(iteration)}: validation error top-1 ${formatPercent(top1Error)} %, ` +
        `top-5 ${formatPercent(top5Error)} %, loss ${loss.toFixed(4)} (rate ${learningRate})`,
    );
  }

  stop(): void {
    this.#survey?.bar.stop();
    this.#training?.stop();
  }
}
