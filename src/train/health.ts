import { UserError } from '../core/errors.ts';

/** How an iteration went, for telling a dead network from a slow one. */
export interface IterationHealth {
  readonly iteration: number;
  readonly meanLoss: number;
  /** The largest difference between two images' logits of one class. */
  readonly logitSpread: number;
  readonly learningRate: number;
}

/**
 * Stops a run whose loss is no longer a number.
 * @throws UserError saying what to change.
 */
export function checkFinite({ iteration, meanLoss, learningRate }: IterationHealth): void {
  if (Number.isFinite(meanLoss)) return;
  throw new UserError(
    `the loss is not finite at iteration ${iteration} (rate ${learningRate}): training diverged; ` +
      'lower --lr (a tenth is a good first try), or use --init glorot, and start again',
  );
}

const FLAT_LOSS = 0.02;
const FLAT_LOGITS = 0.01;

/** Whether the network says the same of every image: loss at ln(classes), logits that do not depend on the image. */
export function isFlat({ meanLoss, logitSpread }: IterationHealth, classes: number): boolean {
  const chance = Math.log(classes);
  return Math.abs(meanLoss - chance) < FLAT_LOSS * chance && logitSpread < FLAT_LOGITS;
}

/** @throws UserError when the loss has been flat for `window` iterations in a row; a window of 0 never throws. */
export function checkAlive(flatIterations: number, window: number, classes: number): void {
  if (window === 0 || flatIterations < window) return;
  throw new UserError(
    `the network is dead: for ${flatIterations} iterations the loss has stayed at ln(${classes}) = ` +
      `${Math.log(classes).toFixed(3)} and its output has not depended on the image; ` +
      'start again with --init glorot (or --init he), or start from a shallower net with --from-shallower; ' +
      'if it began well, lower --lr',
  );
}

/** The largest difference between two images' logits of one class; logits `[images, classes]`. */
export function logitSpread(logits: Float32Array, classes: number): number {
  let spread = 0;
  for (let c = 0; c < classes; c++) {
    let least = Number.POSITIVE_INFINITY;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = c; i < logits.length; i += classes) {
      least = Math.min(least, logits[i]!);
      most = Math.max(most, logits[i]!);
    }
    spread = Math.max(spread, most - least);
  }
  return spread;
}
