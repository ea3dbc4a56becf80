/** What the trainer needs from its caller: images, validation and listeners. */
import type { ImageBatch } from '../data/training/loader.ts';
import type { PlannedBatch } from '../data/training/sampler.ts';
import type { Parameters } from '../kernels/backend.ts';
import type { Metrics, ValidationMetrics } from './metrics.ts';
import type { TrainerState } from './trainer-state.ts';
import type { WeightAverage } from './weight-average.ts';

export interface TrainingData {
  /** Images in the training set. */
  readonly count: number;
  /** Loads the crops of planned batches ahead, in order. */
  loadBatches(plan: Iterable<PlannedBatch>): AsyncIterable<ImageBatch>;
  /**
   * Which of at most two views of an image training sees in an epoch: 0, or 1 for the mirror image. Undefined if its crop,
   * scale or colors are random.
   */
  fixedView?(epoch: number, image: number): 0 | 1 | undefined;
}

export interface TrainerHooks {
  validate(
    parameters: Parameters,
  ): Promise<
    Pick<
      ValidationMetrics,
      'images' | 'loss' | 'top1Error' | 'top5Error' | 'meanClassError' | 'meanOverlap' | 'split'
    >
  >;
  /** Called after each iteration. */
  onIteration?(progress: TrainingProgress): void;
  onMetrics(metrics: Metrics): Promise<void>;
  /** Called with notes for the user. */
  onNote?(note: string): void;
  /**
   * Called after the checkpoint that follows a validation with a lower error than all before it, and again by a run that
   * is resumed from that checkpoint.
   */
  onBest(parameters: Parameters, average?: WeightAverage): Promise<void>;
  /** Called on every rank before a checkpoint. An error ends the run without the checkpoint. */
  beforeCheckpoint?(parameters: Parameters, state: TrainerState): Promise<void>;
  /** @param average the weight average to save as the model (default: the weights themselves are the model) */
  onCheckpoint(parameters: Parameters, state: TrainerState, average?: WeightAverage): Promise<void>;
}

/** One iteration of training. */
export interface TrainingProgress {
  /** SGD steps so far. */
  readonly iteration: number;
  readonly totalIterations: number;
  /** Passes over the training set so far, fractions included. */
  readonly epoch: number;
  /** Images per step. */
  readonly batch: number;
  /** Mean cross-entropy of this step's batch, in nats; in localization its mean Euclidean loss. */
  readonly loss: number;
  /** Fraction of this step's batch that is misclassified or whose box is wrong, 0 to 1. */
  readonly top1Error: number;
  readonly learningRate: number;
}
