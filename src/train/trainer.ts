/**
 * The training loop of section 3.1: mini-batch SGD with momentum on the soft-max cross-entropy, the rate
 * dropping when the validation error stops improving. It knows nothing of files of images, of how
 * validation is done, or of how progress is shown.
 */
import type { Communicator } from '../comm/communicator.ts';
import { single } from '../comm/single.ts';
import { addCounts, type ClassificationCounts, noCounts } from '../core/classification.ts';
import type { ImageBatch } from '../data/training/loader.ts';
import { type PlannedBatch, Sampler } from '../data/training/sampler.ts';
import type { Backend, Parameters, TrainingProgram } from '../kernels/backend.ts';
import { cropShape, type Network } from '../net/network.ts';
import { defaultMicroBatch } from '../plan/activations.ts';
import { agreeOnSpread, agreeOnStep } from './agreement.ts';
import { BatchGradient } from './batch-gradient.ts';
import type { TrainerState } from './checkpoint.ts';
import { ExchangeMeter } from './exchange-meter.ts';
import { checkAlive, checkFinite, isAtChance, isFlat, type LogitRange } from './health.ts';
import type { Metrics, StopReason } from './metrics.ts';
import { type Recipe, scheduleOf } from './recipe.ts';
import {
  beforeIteration,
  observeValidation,
  rateOf,
  type ScheduleOptions,
  startSchedule,
} from './schedule.ts';
import { WeightAverage } from './weight-average.ts';

/** Hands out training crops, in the order of the plan, preparing the next ones ahead. */
export interface TrainingData {
  /** Images in the training set. */
  readonly count: number;
  loadBatches(plan: Iterable<PlannedBatch>): AsyncIterable<ImageBatch>;
}

export interface ValidationResult {
  readonly images: number;
  readonly loss: number;
  readonly top1Error: number;
  readonly top5Error: number;
}

/** What the trainer tells the world, and asks of it. */
export interface TrainerHooks {
  validate(parameters: Parameters): Promise<ValidationResult>;
  /** After each iteration. */
  onIteration?(progress: TrainingProgress): void;
  onMetrics(metrics: Metrics): Promise<void>;
  /** A model better than all before it. */
  onBest(parameters: Parameters): Promise<void>;
  /** On every rank, when it is time for a checkpoint. What it throws ends the run without one. */
  beforeCheckpoint?(parameters: Parameters, state: TrainerState): Promise<void>;
  /** @param average the mean that is the model, where weights are averaged */
  onCheckpoint(parameters: Parameters, state: TrainerState, average?: WeightAverage): Promise<void>;
}

export interface TrainingProgress {
  readonly iteration: number;
  readonly totalIterations: number;
  readonly epoch: number;
  readonly batch: number;
  readonly loss: number;
  readonly top1Error: number;
  readonly learningRate: number;
}

export interface TrainerOptions {
  readonly recipe: Recipe;
  readonly network: Network;
  readonly backend: Backend;
  /** With gradients and velocities, already filled. */
  readonly parameters: Parameters;
  readonly data: TrainingData;
  readonly hooks: TrainerHooks;
  /** Whom the batches are shared with; default: nobody. All ranks need the same options and parameters. */
  readonly communicator?: Communicator;
  /** Where an earlier session stopped. */
  readonly state?: TrainerState;
  /** The mean that an earlier session reached, where the recipe has one. */
  readonly average?: WeightAverage;
  /** Stops after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Milliseconds between checkpoints where the recipe does not say. */
const CHECKPOINT_INTERVAL = 600_000;

const EMPTY_WINDOW: Readonly<ClassificationCounts> = noCounts();

/** One training run. */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #schedule: ScheduleOptions;
  readonly #sampler: Sampler;
  readonly #communicator: Communicator;
  readonly #gradient: BatchGradient;
  readonly #microBatch: number;
  readonly #exchanges = new ExchangeMeter();
  readonly #average: WeightAverage;
  readonly totalIterations: number;
  #state: TrainerState;
  #sessionStart = 0;
  #secondsBefore = 0;
  #windowStart = 0;
  #lastCheckpoint = 0;
  /** What all ranks have agreed to do after the step. */
  #agreed = { stop: false, save: false };

  constructor(options: TrainerOptions) {
    const { recipe, network, data, parameters } = options;
    this.#communicator = options.communicator ?? single;
    const perEpoch = data.count / recipe.batch;
    this.#options = options;
    this.#sampler = new Sampler({
      count: data.count,
      batch: recipe.batch,
      seed: recipe.seed,
      shuffle: recipe.shuffle,
    });
    this.#microBatch = Math.min(
      recipe['micro-batch'] ?? defaultMicroBatch(network, recipe.batch),
      recipe.batch,
    );
    this.#gradient = new BatchGradient({
      recipe,
      classes: network.classes,
      microBatch: this.#microBatch,
      parameters,
      communicator: this.#communicator,
    });
    this.#average = options.average ?? WeightAverage.none(parameters);
    this.totalIterations = recipe.iterations ?? Math.max(1, Math.round(recipe.epochs * perEpoch));
    this.#schedule = scheduleOf(recipe, perEpoch);
    this.#state = options.state ?? {
      iteration: 0,
      schedule: startSchedule(this.#schedule),
      best: null,
      validatedAt: 0,
      averaged: 0,
      window: EMPTY_WINDOW,
      flatIterations: 0,
      seconds: 0,
    };
  }

  get state(): TrainerState {
    return this.#state;
  }

  /**
   * Trains to the end, or until the signal.
   * @throws UserError when the loss is not finite or the network is dead.
   */
  async run(): Promise<StopReason> {
    const { backend, network, parameters } = this.#options;
    this.#sessionStart = this.#windowStart = this.#lastCheckpoint = performance.now();
    this.#secondsBefore = this.#state.seconds;
    const program = await backend.compileTraining({
      layers: network.layers,
      inputShape: cropShape(network, this.#microBatch),
      parameters,
    });
    try {
      await this.#iterate(program);
    } finally {
      program.dispose();
    }
    if (this.#mustStop() && !this.#isDone()) return 'interrupted';
    return this.#state.schedule.finished ? 'plateau' : 'iterations';
  }

  async #iterate(program: TrainingProgram): Promise<void> {
    const microBatches = this.#options.data.loadBatches(this.#plan())[Symbol.asyncIterator]();
    const next = async () => {
      const result = await microBatches.next();
      if (result.done) throw new Error('the training data ended before the plan');
      return result.value;
    };
    try {
      while (!this.#isDone() && !this.#mustStop()) {
        await this.#step(program, next);
        await this.#afterStep();
      }
    } finally {
      await microBatches.return?.();
    }
    // An interrupted run keeps what it has done.
    if (this.#mustStop()) await this.#checkpoint();
  }

  /** One that is alone stops at once, ranks when they have agreed to. */
  #mustStop(): boolean {
    return this.#communicator.size > 1 ? this.#agreed.stop : this.#options.signal?.aborted === true;
  }

  #isDone(): boolean {
    return this.#state.iteration >= this.totalIterations || this.#state.schedule.finished;
  }

  /** The micro-batches of all iterations still to come. */
  #plan(): Generator<PlannedBatch> {
    return this.#gradient.plan(this.#sampler.batches(this.#state.iteration, this.totalIterations));
  }

  /** One step of SGD: the gradient of a batch's mean loss, then the update, which is the same on every rank. */
  async #step(program: TrainingProgram, next: () => Promise<ImageBatch>): Promise<void> {
    const { recipe, parameters } = this.#options;
    const { iteration } = this.#state;
    const schedule = beforeIteration(this.#state.schedule, iteration, this.#schedule);
    const { counts: mine, logits, exchange } = await this.#gradient.add(program, next);
    if (exchange) this.#exchanges.add(exchange);
    const { counts, ...agreed } = await agreeOnStep(this.#communicator, {
      counts: mine,
      stop: this.#options.signal?.aborted === true,
      save: this.#checkpointIsDue(iteration + 1),
    });
    this.#agreed = agreed;
    const learningRate = rateOf(schedule, iteration, this.#schedule);
    const meanLoss = counts.lossSum / counts.images;
    checkFinite({ iteration: iteration + 1, meanLoss, learningRate });
    const flat = await this.#isFlat(meanLoss, logits);
    await parameters.update({
      learningRate,
      momentum: recipe.momentum,
      weightDecay: recipe['weight-decay'],
      biasDecay: recipe['bias-decay'],
    });
    this.#state = {
      ...this.#state,
      iteration: iteration + 1,
      schedule,
      window: addCounts(this.#state.window, counts),
      flatIterations: flat ? this.#state.flatIterations + 1 : 0,
      seconds: this.#seconds(),
    };
    this.#report(counts);
  }

  async #isFlat(meanLoss: number, logits: LogitRange): Promise<boolean> {
    const { classes } = this.#options.network;
    if (!isAtChance(meanLoss, classes)) return false;
    return isFlat(meanLoss, await agreeOnSpread(this.#communicator, logits), classes);
  }

  async #afterStep(): Promise<void> {
    const { recipe, network } = this.#options;
    const { iteration } = this.#state;
    // A short run is judged after a quarter of it.
    const window = Math.min(recipe['dead-window'], Math.max(20, Math.ceil(this.totalIterations / 4)));
    checkAlive(this.#state.flatIterations, window, network.classes);
    if (iteration % recipe['log-every'] === 0 || iteration === this.totalIterations) await this.#logWindow();
    const validated = this.#validationIsDue();
    if (validated) await this.#judge();
    if (validated || this.#agreed.save) await this.#checkpoint();
  }

  async #logWindow(): Promise<void> {
    const { window, iteration } = this.#state;
    const now = performance.now();
    await this.#options.hooks.onMetrics({
      kind: 'train',
      iteration,
      epoch: this.#epoch(),
      loss: window.lossSum / window.images,
      top1Error: window.top1Errors / window.images,
      top5Error: window.top5Errors / window.images,
      learningRate: this.#lastRate(),
      imagesPerSecond: window.images / ((now - this.#windowStart) / 1000),
      ...this.#exchanges.take(),
      seconds: this.#seconds(),
    });
    this.#windowStart = now;
    this.#state = { ...this.#state, window: EMPTY_WINDOW };
  }

  #validationIsDue(): boolean {
    const { recipe, data } = this.#options;
    const { iteration, validatedAt } = this.#state;
    const validations = (after: number) =>
      Math.floor((after * recipe.batch) / (recipe['validate-every'] * data.count));
    return validations(iteration) > validations(validatedAt) || iteration === this.totalIterations;
  }

  /** Validates the weights or, once the recipe asks for it, their mean. */
  async #judge(): Promise<void> {
    const { 'average-from': from } = this.#options.recipe;
    if (from === undefined || this.#epoch() < from) return this.#validate();
    await this.#average.add();
    this.#state = { ...this.#state, averaged: this.#average.count };
    await this.#average.during(() => this.#validate());
  }

  async #validate(): Promise<void> {
    const { hooks, parameters } = this.#options;
    const { iteration, best } = this.#state;
    const { images, loss, top1Error, top5Error } = await hooks.validate(parameters);
    const isBest = best === null || top1Error < best.top1Error;
    const learningRate = this.#lastRate();
    this.#state = {
      ...this.#state,
      schedule: observeValidation(this.#state.schedule, top1Error, this.#schedule),
      best: isBest ? { iteration, top1Error } : best,
      validatedAt: iteration,
      seconds: this.#seconds(),
    };
    await hooks.onMetrics({
      kind: 'validation',
      iteration,
      epoch: this.#epoch(),
      images,
      loss,
      top1Error,
      top5Error,
      learningRate,
      seconds: this.#state.seconds,
    });
    if (isBest) await hooks.onBest(parameters);
  }

  #checkpointIsDue(iteration: number): boolean {
    const every = this.#options.recipe['checkpoint-every'];
    if (every !== undefined) return iteration % every === 0;
    return performance.now() - this.#lastCheckpoint >= CHECKPOINT_INTERVAL;
  }

  async #checkpoint(): Promise<void> {
    const { hooks, parameters } = this.#options;
    await hooks.beforeCheckpoint?.(parameters, this.#state);
    await hooks.onCheckpoint(parameters, this.#state, this.#average.count > 0 ? this.#average : undefined);
    this.#lastCheckpoint = performance.now();
  }

  #report(counts: ClassificationCounts): void {
    const { hooks, recipe } = this.#options;
    hooks.onIteration?.({
      iteration: this.#state.iteration,
      totalIterations: this.totalIterations,
      epoch: this.#epoch(),
      batch: recipe.batch,
      loss: counts.lossSum / counts.images,
      top1Error: counts.top1Errors / counts.images,
      learningRate: this.#lastRate(),
    });
  }

  /** Of the last step. */
  #lastRate(): number {
    const { schedule, iteration } = this.#state;
    return rateOf(schedule, iteration - 1, this.#schedule);
  }

  #epoch(): number {
    return (this.#state.iteration * this.#options.recipe.batch) / this.#options.data.count;
  }

  #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#sessionStart) / 1000;
  }
}
