/**
 * The learning rate (section 3.1): divided by 10 whenever the validation error stops improving, three times in all. The
 * paper does not define "stops improving"; here a plateau is `patience` consecutive validations without a lower error,
 * and a plateau after the last drop ends training.
 */
import type { Recipe } from './recipe.ts';
import type { ScheduleState } from './trainer-state.ts';

export interface ScheduleOptions {
  readonly learningRate: number;
  /** Divisor of the rate at each drop. */
  readonly factor: number;
  readonly maximumDrops: number;
  /** Number of consecutive validations without a lower error that count as a plateau. */
  readonly patience: number;
  /** Iterations at which to drop instead of by the plateau rule. */
  readonly dropAt?: readonly number[];
  /** Iterations over which the rate rises to its first value (Goyal et al. 2017; beyond the paper). */
  readonly warmup?: number;
  /** The fraction of the rate that warm-up starts from (default 0). */
  readonly warmupFrom?: number;
}

/** The paper's rate for batches of 256, and for smaller ones less: the noise of a gradient grows as the batch shrinks. */
export function usualRate(batch: number): number {
  return Number((0.01 * Math.sqrt(Math.min(1, batch / 256))).toPrecision(2));
}

/** The schedule that a recipe describes. */
export function scheduleOf(recipe: Recipe, iterationsPerEpoch: number): ScheduleOptions {
  const { lr, batch, warmup, 'lr-drop-at': dropAt } = recipe;
  const raised = batch / (recipe['lr-reference-batch'] ?? batch);
  return {
    learningRate: lr * raised,
    factor: recipe['lr-factor'],
    maximumDrops: recipe['lr-drops'],
    patience: recipe.patience,
    dropAt: dropAt === undefined ? undefined : dropIterations(dropAt, iterationsPerEpoch),
    warmup: warmup === undefined ? undefined : iterationsOf(warmup, iterationsPerEpoch),
    warmupFrom: raised > 1 ? 1 / raised : 0,
  };
}

/** The iterations at which `lr-drop-at` drops the rate, in order. */
export function dropIterations(list: string, iterationsPerEpoch: number): number[] {
  return list
    .split(',')
    .map((part) => iterationsOf(part, iterationsPerEpoch))
    .sort((a, b) => a - b);
}

/** @param moment in iterations (`10`) or epochs (`6e`, `0.5e`) */
function iterationsOf(moment: string, iterationsPerEpoch: number): number {
  const text = moment.trim();
  return text.endsWith('e') ? Math.round(Number(text.slice(0, -1)) * iterationsPerEpoch) : Number(text);
}

/**
 * The rate of an iteration (counted from 0). Warm-up scales the rate without changing the state, so that the drop rules
 * do not see it, and a resumed run has the rates of an uninterrupted one.
 */
export function rateOf(state: ScheduleState, iteration: number, options: ScheduleOptions): number {
  const { warmup = 0, warmupFrom = 0 } = options;
  if (iteration >= warmup) return state.learningRate;
  return state.learningRate * (warmupFrom + ((1 - warmupFrom) * (iteration + 1)) / warmup);
}

export function startSchedule({ learningRate }: ScheduleOptions): ScheduleState {
  return { learningRate, drops: 0, bestError: null, sinceBest: 0, finished: false };
}

/** The state after a validation with this error. */
export function observeValidation(
  state: ScheduleState,
  error: number,
  options: ScheduleOptions,
): ScheduleState {
  if (state.bestError === null || error < state.bestError)
    return { ...state, bestError: error, sinceBest: 0 };
  const sinceBest = state.sinceBest + 1;
  if (options.dropAt || sinceBest < options.patience) return { ...state, sinceBest };
  if (state.drops >= options.maximumDrops) return { ...state, sinceBest, finished: true };
  return dropped({ ...state, sinceBest: 0 }, options);
}

/** The state before an iteration (counted from 0): applies drops at fixed iterations. */
export function beforeIteration(
  state: ScheduleState,
  iteration: number,
  options: ScheduleOptions,
): ScheduleState {
  const due = options.dropAt?.filter((at) => at <= iteration).length ?? 0;
  return due > state.drops ? dropped(state, options, due) : state;
}

function dropped(state: ScheduleState, options: ScheduleOptions, drops = state.drops + 1): ScheduleState {
  // Computed from the first rate, so that rounding does not accumulate over the drops.
  return { ...state, drops, learningRate: options.learningRate / options.factor ** drops };
}
