/**
 * The training loop of section 3.1: mini-batch SGD with momentum on the soft-max cross-entropy; the learning rate drops
 * when the validation error stops improving. Image files, validation and progress display are left to the hooks.
 */
import { type Communicator, single } from '../comm/communicator.ts';
import type { ClassificationCounts } from '../core/classification.ts';
import { UserError } from '../core/errors.ts';
import type { ImageBatch } from '../data/training/loader.ts';
import { Sampler } from '../data/training/sampler.ts';
import type { Backend, Parameters, Program, TrainingProgram } from '../kernels/backend.ts';
import { frozenPart, trainedInputShape, trainedPart } from '../net/frozen-layers.ts';
import { cropShape, type Network } from '../net/network.ts';
import { defaultMicroBatch } from '../plan/activation-memory.ts';
import { BatchGradient } from './batch-gradient.ts';
import { checkAlive, checkFinite, DivergenceError } from './divergence.ts';
import { FrozenOutputs } from './frozen-outputs.ts';
import { beforeIteration, observeValidation, rateOf } from './learning-rate-schedule.ts';
import { LostImagesError, leaveOut } from './lost-images.ts';
import type { StopReason } from './metrics.ts';
import { MetricsWindow } from './metrics-window.ts';
import type { Recipe } from './recipe.ts';
import { agreeOnFlatness, agreeOnStep } from './step-agreement.ts';
import type { TrainerHooks, TrainingData } from './trainer-hooks.ts';
import type { TrainerState } from './trainer-state.ts';
import { SessionClock, TrainingSchedule } from './training-schedule.ts';
import { WeightAverage } from './weight-average.ts';

interface TrainerOptions {
  readonly recipe: Recipe;
  readonly network: Network;
  readonly backend: Backend;
  /** Weights of the classes in the loss (default: 1). */
  readonly classWeights?: Float32Array;
  /** Already filled, with gradients and velocities. */
  readonly parameters: Parameters;
  readonly data: TrainingData;
  readonly hooks: TrainerHooks;
  /** Ranks that share the batches (default: this process alone); all need the same options and parameters. */
  readonly communicator?: Communicator;
  /** The state of the last checkpoint (default: a new run). */
  readonly state?: TrainerState;
  /** The average of that checkpoint, if weights are averaged. */
  readonly average?: WeightAverage;
  /** Stops after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** One training run. */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #schedule: TrainingSchedule;
  readonly #sampler: Sampler;
  readonly #communicator: Communicator;
  readonly #gradient: BatchGradient;
  readonly #microBatch: number;
  readonly #window: MetricsWindow;
  readonly #average: WeightAverage;
  #state: TrainerState;
  #clock: SessionClock;
  /** The iteration of the last checkpoint; undefined before the first. */
  #savedAt: number | undefined;
  /** What all ranks agreed to do after this step. */
  #agreed = { stop: false, save: false };

  constructor(options: TrainerOptions) {
    const { recipe, network, data, parameters } = options;
    this.#communicator = options.communicator ?? single;
    this.#options = options;
    this.#schedule = new TrainingSchedule(recipe, data.count);
    this.#sampler = new Sampler({
      count: data.count,
      batch: recipe.batch,
      seed: recipe.seed,
      shuffle: recipe.shuffle,
    });
    this.#microBatch = Math.min(
      recipe['micro-batch'] ?? defaultMicroBatch(network, recipe.batch, options.backend),
      recipe.batch,
    );
    this.#gradient = new BatchGradient({
      recipe,
      classes: network.classes,
      boxes: network.boxes,
      classWeights: options.classWeights,
      microBatch: this.#microBatch,
      parameters,
      communicator: this.#communicator,
    });
    this.#average = options.average ?? WeightAverage.none(parameters);
    this.#state = options.state ?? this.#schedule.start();
    this.#window = new MetricsWindow(this.#state.window);
    this.#clock = new SessionClock(this.#state.seconds);
  }

  get totalIterations(): number {
    return this.#schedule.totalIterations;
  }

  get state(): TrainerState {
    return this.#state;
  }

  /**
   * Trains to the end, or until the signal is aborted.
   * @throws DivergenceError when the loss is not finite or the network is not learning; UserError, after a checkpoint,
   * when an image or the run folder can no longer be used.
   */
  async run(): Promise<StopReason> {
    const { backend, network, parameters } = this.#options;
    this.#clock = new SessionClock(this.#state.seconds);
    const program = await backend.compileTraining({
      layers: trainedPart(network),
      inputShape: trainedInputShape(network, this.#microBatch),
      parameters,
    });
    let frozen: Program | undefined;
    try {
      frozen = await this.#compileFrozenPart();
      await this.#iterate(program, frozen);
    } finally {
      frozen?.dispose();
      program.dispose();
    }
    if (this.#mustStop() && !this.#schedule.isDone(this.#state)) return 'interrupted';
    return this.#state.schedule.finished ? 'plateau' : 'iterations';
  }

  async #compileFrozenPart(): Promise<Program | undefined> {
    const { backend, network, parameters } = this.#options;
    const layers = frozenPart(network);
    if (layers.length === 0) return undefined;
    return backend.compile({ layers, inputShape: cropShape(network, this.#microBatch), parameters });
  }

  async #iterate(program: TrainingProgram, frozen: Program | undefined): Promise<void> {
    const batches = this.#sampler.batches(this.#state.iteration, this.totalIterations);
    const plan = this.#gradient.plan(batches);
    const { data, recipe } = this.#options;
    const memory = recipe['memory-budget'] * 2 ** 20;
    const images = frozen ? new FrozenOutputs(data, frozen, memory) : data;
    const microBatches = images.loadBatches(plan)[Symbol.asyncIterator]();
    const next = async () => {
      const result = await microBatches.next();
      if (result.done) throw new Error('the training data ran out before the planned number of iterations');
      return result.value;
    };
    try {
      await this.#catchUp();
      while (!this.#schedule.isDone(this.#state) && !this.#mustStop()) {
        await this.#step(program, next);
        await this.#afterStep();
      }
    } catch (error) {
      throw await this.#rescue(error);
    } finally {
      await microBatches.return?.();
    }
    // An interrupted run keeps its progress.
    if (this.#mustStop()) await this.#checkpoint();
  }

  /** Does what an earlier session could not do after its last iteration, because an image or the disk failed. */
  async #catchUp(): Promise<void> {
    const { iteration, validatedAt, best } = this.#state;
    if (iteration === 0) return;
    this.#savedAt = iteration;
    if (validatedAt < iteration && this.#schedule.validationIsDue(this.#state)) {
      await this.#validateAndSave();
    } else if (best?.iteration === iteration) {
      await this.#options.hooks.onBest(this.#options.parameters, this.#savedAverage);
    }
  }

  /** Saves the iterations done when something outside ends training: an unreadable image, a full disk. */
  async #rescue(error: unknown): Promise<unknown> {
    if (!(error instanceof UserError) || error instanceof DivergenceError) return error;
    // Other failures are not known to all ranks, which a checkpoint needs.
    const canSave = this.#communicator.size === 1 || error instanceof LostImagesError;
    const { iteration } = this.#state;
    if (canSave && iteration > 0 && this.#savedAt !== iteration) await this.#checkpoint().catch(() => {});
    const saved =
      this.#savedAt === undefined
        ? 'no iteration is saved yet; start from the beginning with --resume'
        : `${this.#savedAt === iteration ? 'this' : `iteration ${this.#savedAt}`} is saved; continue with --resume`;
    return new UserError(`${error.message}; training stopped after iteration ${iteration}, and ${saved}`, {
      cause: error,
    });
  }

  /** A single process stops at once; ranks stop when they have agreed to. */
  #mustStop(): boolean {
    return this.#communicator.size > 1 ? this.#agreed.stop : this.#options.signal?.aborted === true;
  }

  /** One SGD step: the gradient of a batch's mean loss, then the update, the same on every rank. */
  async #step(program: TrainingProgram, next: () => Promise<ImageBatch>): Promise<void> {
    const { recipe, parameters } = this.#options;
    const { iteration } = this.#state;
    const schedule = beforeIteration(this.#state.schedule, iteration, this.#schedule.learningRate);
    const { counts: mine, logits, lost: unreadable, exchange } = await this.#gradient.add(program, next);
    const { counts, lost, ...agreed } = await agreeOnStep(this.#communicator, {
      counts: mine,
      lost: unreadable,
      stop: this.#options.signal?.aborted === true,
      save: this.#clock.checkpointIsDue(iteration + 1, recipe['checkpoint-every']),
    });
    this.#agreed = agreed;
    const left = leaveOut(lost, this.#state.lost, this.#options);
    const learningRate = rateOf(schedule, iteration, this.#schedule.learningRate);
    const meanLoss = counts.lossSum / counts.images;
    checkFinite({ iteration: iteration + 1, meanLoss, learningRate }, recipe);
    // The loss of guessing is known for classes only.
    const flat =
      this.#options.network.boxes === undefined &&
      (await agreeOnFlatness(this.#communicator, meanLoss, logits));
    await parameters.update({
      learningRate,
      momentum: recipe.momentum,
      weightDecay: recipe['weight-decay'],
      biasDecay: recipe['bias-decay'],
    });
    this.#window.add(counts, exchange);
    this.#state = {
      ...this.#state,
      iteration: iteration + 1,
      schedule,
      lost: left,
      window: this.#window.counts,
      flatIterations: flat ? this.#state.flatIterations + 1 : 0,
      seconds: this.#clock.seconds,
    };
    this.#report(counts);
  }

  async #afterStep(): Promise<void> {
    const { recipe, network } = this.#options;
    const { iteration } = this.#state;
    checkAlive(this.#state.flatIterations, this.#schedule.deadWindow, network.classes, recipe);
    if (iteration % recipe['log-every'] === 0 || iteration === this.totalIterations) await this.#logWindow();
    const validated = this.#schedule.validationIsDue(this.#state);
    if (validated) await this.#validateAndSave();
    else if (this.#agreed.save) await this.#checkpoint();
  }

  /** The checkpoint comes first: a disk that becomes full must not keep the best model and lose the training. */
  async #validateAndSave(): Promise<void> {
    const { hooks, parameters } = this.#options;
    await this.#validateModel();
    await this.#checkpoint();
    const { iteration, best } = this.#state;
    if (best?.iteration === iteration) await hooks.onBest(parameters, this.#savedAverage);
  }

  async #logWindow(): Promise<void> {
    await this.#options.hooks.onMetrics({ kind: 'train', ...this.#moment(), ...this.#window.take() });
    this.#state = { ...this.#state, window: this.#window.counts };
  }

  /** Validates the weights or, from `average-from` on, their average. */
  async #validateModel(): Promise<void> {
    const { 'average-from': from } = this.#options.recipe;
    if (from === undefined || this.#schedule.epochAt(this.#state.iteration) < from) return this.#validate();
    const { iteration, averagedAt } = this.#state;
    if (averagedAt < iteration) await this.#average.add();
    this.#state = { ...this.#state, averaged: this.#average.count, averagedAt: iteration };
    await this.#average.during(() => this.#validate());
  }

  async #validate(): Promise<void> {
    const { hooks, parameters } = this.#options;
    const { iteration, best } = this.#state;
    const measured = await hooks.validate(parameters);
    const { top1Error } = measured;
    const isBest = best === null || top1Error < best.top1Error;
    // Taken before the validation changes the schedule.
    const moment = this.#moment();
    this.#state = {
      ...this.#state,
      schedule: observeValidation(this.#state.schedule, top1Error, this.#schedule.learningRate),
      best: isBest ? { iteration, top1Error } : best,
      validatedAt: iteration,
      seconds: moment.seconds,
    };
    await hooks.onMetrics({ kind: 'validation', ...moment, ...measured });
  }

  async #checkpoint(): Promise<void> {
    const { hooks, parameters } = this.#options;
    await hooks.beforeCheckpoint?.(parameters, this.#state);
    await hooks.onCheckpoint(parameters, this.#state, this.#savedAverage);
    this.#savedAt = this.#state.iteration;
    this.#clock.checkpointWritten();
  }

  /** The average that is saved as the model, if there is one. */
  get #savedAverage(): WeightAverage | undefined {
    return this.#average.count > 0 ? this.#average : undefined;
  }

  #report(counts: ClassificationCounts): void {
    const { hooks, recipe } = this.#options;
    const { iteration, epoch, learningRate } = this.#moment();
    hooks.onIteration?.({
      iteration,
      totalIterations: this.totalIterations,
      epoch,
      batch: recipe.batch,
      loss: counts.lossSum / counts.images,
      top1Error: counts.top1Errors / counts.images,
      learningRate,
    });
  }

  /** The current position in training, with the learning rate of the last step. */
  #moment() {
    const { schedule, iteration } = this.#state;
    const learningRate = rateOf(schedule, iteration - 1, this.#schedule.learningRate);
    return {
      iteration,
      epoch: this.#schedule.epochAt(iteration),
      learningRate,
      seconds: this.#clock.seconds,
    };
  }
}
