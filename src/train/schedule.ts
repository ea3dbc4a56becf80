/**
 * The learning rate (section 3.1): divided by 10 whenever the validation error stops improving, three times
 * in all. The paper says no more; here a plateau is `patience` validations in a row without a better error,
 * and a plateau after the last drop ends training.
 */

export interface ScheduleState {
  readonly learningRate: number;
  readonly drops: number;
  /** The best validation error so far (null before the first). */
  readonly bestError: number | null;
  /** Validations since the best one or the last drop. */
  readonly sinceBest: number;
  readonly finished: boolean;
}

export interface ScheduleOptions {
  readonly learningRate: number;
  readonly factor: number;
  readonly maximumDrops: number;
  readonly patience: number;
  /** Iterations at which to drop instead of by the plateau rule. */
  readonly dropAt?: readonly number[];
  /** Iterations over which the rate rises to where the schedule begins (Goyal et al. 2017); beyond the paper. */
  readonly warmup?: number;
  /** The share of the rate that warm-up rises from (default 0). */
  readonly warmupFrom?: number;
}

/**
 * The rate of an iteration (counted from 0) under this state. Warm-up multiplies what the rules say and is no part
 * of the state, so that they do not see it and a resumed run has the rates of one that was not interrupted.
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

/** The state before an iteration (counted from 0): drops that are fixed in advance. */
export function beforeIteration(
  state: ScheduleState,
  iteration: number,
  options: ScheduleOptions,
): ScheduleState {
  const due = options.dropAt?.filter((at) => at <= iteration).length ?? 0;
  return due > state.drops ? dropped(state, options, due) : state;
}

function dropped(state: ScheduleState, options: ScheduleOptions, drops = state.drops + 1): ScheduleState {
  // From the first rate, so that a rate does not depend on how often it was rounded.
  return { ...state, drops, learningRate: options.learningRate / options.factor ** drops };
}
