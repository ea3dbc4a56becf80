/** When things happen in a run: its length in iterations, the learning rate and the validations. */
import { noCounts } from '../core/classification.ts';
import { type ScheduleOptions, scheduleOf, startSchedule } from './learning-rate-schedule.ts';
import type { Recipe } from './recipe.ts';
import type { TrainerState } from './trainer-state.ts';

export class TrainingSchedule {
  readonly totalIterations: number;
  readonly learningRate: ScheduleOptions;
  /** Iterations with a flat loss after which the network counts as dead; 0: never. */
  readonly deadWindow: number;
  readonly #recipe: Recipe;
  readonly #images: number;

  /** @param images number of training images */
  constructor(recipe: Recipe, images: number) {
    const perEpoch = images / recipe.batch;
    this.#recipe = recipe;
    this.#images = images;
    this.totalIterations = recipe.iterations ?? Math.max(1, Math.round(recipe.epochs * perEpoch));
    this.learningRate = scheduleOf(recipe, perEpoch);
    // Short runs are checked after a quarter of their iterations.
    this.deadWindow = Math.min(recipe['dead-window'], Math.max(20, Math.ceil(this.totalIterations / 4)));
  }

  /** The state of a new run. */
  start(): TrainerState {
    return {
      iteration: 0,
      schedule: startSchedule(this.learningRate),
      best: null,
      validatedAt: 0,
      averaged: 0,
      averagedAt: 0,
      lost: [],
      window: noCounts(),
      flatIterations: 0,
      seconds: 0,
    };
  }

  /** Passes over the training set in this many iterations, fractions included. */
  epochAt(iteration: number): number {
    return (iteration * this.#recipe.batch) / this.#images;
  }

  isDone({ iteration, schedule }: TrainerState): boolean {
    return iteration >= this.totalIterations || schedule.finished;
  }

  validationIsDue({ iteration, validatedAt }: TrainerState): boolean {
    const { batch, 'validate-every': every } = this.#recipe;
    const validations = (after: number) => Math.floor((after * batch) / (every * this.#images));
    return validations(iteration) > validations(validatedAt) || iteration === this.totalIterations;
  }
}

/** Default time between checkpoints, in milliseconds. */
const CHECKPOINT_INTERVAL = 600_000;

/** The time of one session of a run. */
export class SessionClock {
  readonly #start = performance.now();
  readonly #secondsBefore: number;
  #lastCheckpoint = this.#start;

  /** @param secondsBefore training time of the earlier sessions */
  constructor(secondsBefore: number) {
    this.#secondsBefore = secondsBefore;
  }

  /** Training time so far, over all sessions. */
  get seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#start) / 1000;
  }

  /** @param every iterations between checkpoints (default: ten minutes) */
  checkpointIsDue(iteration: number, every: number | undefined): boolean {
    if (every !== undefined) return iteration % every === 0;
    return performance.now() - this.#lastCheckpoint >= CHECKPOINT_INTERVAL;
  }

  checkpointWritten(): void {
    this.#lastCheckpoint = performance.now();
  }
}
