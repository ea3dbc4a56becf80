import { UserError } from '../core/errors.ts';
import { usualRate } from './learning-rate-schedule.ts';
import type { Recipe } from './recipe.ts';

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

/**
 * What to change when a network does not learn or diverges. docs/explanation/defaults.md has the runs that show that it
 * helps.
 */
export function remedyFor(recipe: Recipe, fault: 'diverges' | 'does not learn'): string {
  const { init, lr, batch } = recipe;
  const rate = (lr * batch) / (recipe['lr-reference-batch'] ?? batch);
  const usual = usualRate(batch);
  const remedies: string[] = [];
  if (init === 'gaussian' || init === 'he-unscaled') remedies.push('use --init he or --init glorot');
  if (rate > usual) remedies.push(`lower --lr to ${usual}`);
  if (rate < usual / 3 && fault === 'does not learn') remedies.push(`raise --lr to ${usual}`);
  if (remedies.length > 0) return remedies.join(', and ');
  return fault === 'diverges'
    ? `lower --lr to ${lr / 2}`
    : 'train for more epochs, or start from a trained network (--from)';
}

/** @throws DivergenceError with what to change, when the loss is infinite or NaN. */
export function checkFinite({ iteration, meanLoss, learningRate }: IterationHealth, recipe: Recipe): void {
  if (Number.isFinite(meanLoss)) return;
  throw new DivergenceError(
    `the loss is not finite at iteration ${iteration} (learning rate ${learningRate}): training diverged; ` +
      `start again and ${remedyFor(recipe, 'diverges')}`,
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
export function checkAlive(flatIterations: number, window: number, classes: number, recipe: Recipe): void {
  if (window === 0 || flatIterations < window) return;
  throw new DivergenceError(
    `the network is not learning: for ${flatIterations} iterations the loss has stayed at ln(${classes}) = ` +
      `${Math.log(classes).toFixed(3)} and the output has not depended on the image; ` +
      `start again and ${remedyFor(recipe, 'does not learn')}`,
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
