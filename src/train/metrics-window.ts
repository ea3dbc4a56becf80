/** Counts and times between two lines of metrics. */
import { addCounts, type ClassificationCounts, noCounts } from '../core/classification.ts';
import type { ExchangeTime } from './gradient-exchange.ts';
import type { TrainingMetrics } from './metrics.ts';

type WindowMetrics = Pick<
  TrainingMetrics,
  'loss' | 'top1Error' | 'top5Error' | 'imagesPerSecond' | 'exchangeSeconds' | 'exchangeHidden'
>;

export class MetricsWindow {
  #counts: ClassificationCounts;
  #since = performance.now();
  #exchange = noExchange();

  /** @param counts of an earlier session, since its last line */
  constructor(counts: ClassificationCounts = noCounts()) {
    this.#counts = counts;
  }

  get counts(): ClassificationCounts {
    return this.#counts;
  }

  /** Adds an iteration. */
  add(counts: ClassificationCounts, exchange: ExchangeTime | undefined): void {
    this.#counts = addCounts(this.#counts, counts);
    if (!exchange) return;
    this.#exchange.count++;
    this.#exchange.total += exchange.total;
    this.#exchange.exposed += exchange.exposed;
  }

  /** Returns the metrics of the window and starts a new window. */
  take(): WindowMetrics {
    const { images, lossSum, top1Errors, top5Errors } = this.#counts;
    const now = performance.now();
    const metrics = {
      loss: lossSum / images,
      top1Error: top1Errors / images,
      top5Error: top5Errors / images,
      imagesPerSecond: images / ((now - this.#since) / 1000),
      ...this.#exchangeMetrics(),
    };
    this.#counts = noCounts();
    this.#since = now;
    this.#exchange = noExchange();
    return metrics;
  }

  #exchangeMetrics(): Pick<TrainingMetrics, 'exchangeSeconds' | 'exchangeHidden'> {
    const { count, total, exposed } = this.#exchange;
    return count === 0 ? {} : { exchangeSeconds: total / count, exchangeHidden: 1 - exposed / total };
  }
}

function noExchange() {
  return { count: 0, total: 0, exposed: 0 };
}
