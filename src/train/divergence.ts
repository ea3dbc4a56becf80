import { UserError } from '../core/errors.ts';

/** Training failed to reduce the loss; going on from these weights is pointless. */
export class DivergenceError extends UserError {
  override name = 'DivergenceError';
}

/** The loss of an iteration, and where it occurred. */
interface IterationHealth {
  readonly iteration: number;
  readonly meanLoss: number;
  readonly learningRate: number;
}

/** @throws DivergenceError with what to change, when the loss is infinite or NaN. */
export function checkFinite({ iteration, meanLoss, learningRate }: IterationHealth): void {
  if (Number.isFinite(meanLoss)) return;
  throw new DivergenceError(
    `the loss is not finite at iteration ${iteration} (learning rate ${learningRate}): training diverged; ` +
      'lower --lr (try a tenth first), or use --init glorot, and start again',
  );
}

const FLAT_LOSS = 0.02;
const FLAT_LOGITS = 0.01;

/** Whether the loss is that of random guessing: ln(classes). */
export function isAtChance(meanLoss: number, classes: number): boolean {
  const chance = Math.log(classes);
  return Math.abs(meanLoss - chance) < FLAT_LOSS * chance;
}

/**
 * Whether the network's output is the same for every image: loss at ln(classes), logits independent of the image.
 * @param logitSpread the largest difference between two images' logits of one class
 */
export function isFlat(meanLoss: number, logitSpread: number, classes: number): boolean {
  return isAtChance(meanLoss, classes) && logitSpread < FLAT_LOGITS;
}

/** @throws DivergenceError when the loss has been flat for `window` consecutive iterations; a window of 0 never throws. */
export function checkAlive(flatIterations: number, window: number, classes: number): void {
  if (window === 0 || flatIterations < window) return;
  throw new DivergenceError(
    `the network is not learning: for ${flatIterations} iterations the loss has stayed at ln(${classes}) = ` +
      `${Math.log(classes).toFixed(3)} and the output has not depended on the image; ` +
      'start again with --init glorot (or --init he) or from a shallower network with --from-shallower; ' +
      'if it was learning before, lower --lr',
  );
}

/** The smallest and largest logit of each class, over some images. */
export class LogitRange {
  readonly classes: number;
  readonly #least: Float32Array;
  readonly #most: Float32Array;
  #empty = true;

  constructor(classes: number) {
    this.classes = classes;
    this.#least = new Float32Array(classes).fill(Number.POSITIVE_INFINITY);
    this.#most = new Float32Array(classes).fill(Number.NEGATIVE_INFINITY);
  }

  /** @param logits `[images, classes]` */
  include(logits: Float32Array): void {
    for (const [i, logit] of logits.entries()) {
      const c = i % this.classes;
      if (logit < this.#least[c]!) this.#least[c] = logit;
      if (logit > this.#most[c]!) this.#most[c] = logit;
      this.#empty = false;
    }
  }

  /** The logits of two images with the same range; empty before the first image. */
  extremes(): number[] {
    return this.#empty ? [] : [...this.#least, ...this.#most];
  }

  /** The largest difference between two images' logits of one class. */
  get spread(): number {
    if (this.#empty) return 0;
    return this.#most.reduce((spread, most, c) => Math.max(spread, most - this.#least[c]!), 0);
  }
}
