/** Error rates from exact counts (paper, 4: top-1 and top-5 error). Images without a label do not count. */
import type { Outcome, Outcomes } from './outcomes.ts';

export interface Evaluation {
  /** Images with a label. */
  readonly images: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  /** Share of the images whose true class is not the most probable. */
  readonly top1Error: number;
  /** Share of the images whose true class is not among the five most probable. */
  readonly top5Error: number;
}

/** Errors so far, whatever the order of the images. */
export class RunningErrors {
  images = 0;
  top1Errors = 0;
  top5Errors = 0;

  add({ rank }: Outcome): void {
    if (rank < 0) return;
    this.images++;
    this.top1Errors += Number(rank >= 1);
    this.top5Errors += Number(rank >= 5);
  }

  get top1Error(): number {
    return this.top1Errors / this.images;
  }
}

/** NaN throughout where no image has a label. */
export function measure(outcomes: Outcomes): Evaluation {
  const errors = new RunningErrors();
  let lossSum = 0;
  for (const outcome of outcomes) {
    errors.add(outcome);
    lossSum += outcome.loss;
  }
  const { images, top1Errors, top5Errors } = errors;
  return {
    images,
    loss: lossSum / images,
    top1Error: top1Errors / images,
    top5Error: top5Errors / images,
  };
}

export interface ClassErrors {
  readonly images: number;
  readonly top1Errors: number;
  readonly top5Errors: number;
}

/** Counts for each class of images that show it. */
export function measureByClass(outcomes: Outcomes, classes: number): ClassErrors[] {
  const counts = Array.from({ length: classes }, () => new RunningErrors());
  for (const outcome of outcomes) if (outcome.label >= 0) counts[outcome.label]!.add(outcome);
  return counts.map(({ images, top1Errors, top5Errors }) => ({ images, top1Errors, top5Errors }));
}

/** `[true class, most probable class]`: how many images. */
export function confusionMatrix(outcomes: Outcomes, classes: number): Uint32Array {
  const counts = new Uint32Array(classes ** 2);
  for (const { label, top } of outcomes) if (label >= 0) counts[label * classes + top[0]!.index]!++;
  return counts;
}
