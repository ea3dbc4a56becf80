import type { ExchangeTime } from './gradient-exchange.ts';

/** How long exchanges of gradients took, over some iterations. */
export interface ExchangeMetrics {
  /** Seconds an iteration from the first gradients on their way to the last one's arrival. */
  readonly exchangeSeconds: number;
  /** The share of that time during which the backward pass still ran. */
  readonly exchangeHidden: number;
}

export class ExchangeMeter {
  #count = 0;
  #total = 0;
  #exposed = 0;

  add({ total, exposed }: ExchangeTime): void {
    this.#count++;
    this.#total += total;
    this.#exposed += exposed;
  }

  /** What was measured since the last time; nothing where nothing was exchanged. */
  take(): ExchangeMetrics | undefined {
    if (this.#count === 0) return undefined;
    const metrics = {
      exchangeSeconds: this.#total / this.#count,
      exchangeHidden: 1 - this.#exposed / this.#total,
    };
    this.#count = this.#total = this.#exposed = 0;
    return metrics;
  }
}
