/** A line of metrics.jsonl: the mean over the iterations since the line before. Errors are fractions, losses nats. */
export interface TrainingMetrics {
  readonly kind: 'train';
  readonly iteration: number;
  readonly epoch: number;
  readonly loss: number;
  readonly top1Error: number;
  readonly top5Error: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Of several ranks: seconds an iteration for the exchange of gradients, and the share hidden behind arithmetic. */
  readonly exchangeSeconds?: number;
  readonly exchangeHidden?: number;
  /** Of training so far, over all sessions. */
  readonly seconds: number;
}

export interface ValidationMetrics {
  readonly kind: 'validation';
  readonly iteration: number;
  readonly epoch: number;
  readonly images: number;
  readonly loss: number;
  readonly top1Error: number;
  readonly top5Error: number;
  readonly learningRate: number;
  readonly seconds: number;
}

export type Metrics = TrainingMetrics | ValidationMetrics;
