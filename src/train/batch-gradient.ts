/**
 * The gradient of a batch's mean loss, computed in micro-batches and shared among ranks. The result does not depend on
 * either, apart from the order of summation.
 */
import type { Communicator } from '../comm/communicator.ts';
import { BOX_VALUES, boxFrom, boxNumber, LEAST_OVERLAP, overlapOf, type Regression } from '../core/boxes.ts';
import { type ClassificationCounts, countImage, noCounts } from '../core/classification.ts';
import { shareOf } from '../core/process-team.ts';
import { deriveKeys, type Key, keyOfSeed } from '../core/random.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import type { ImageBatch } from '../data/training/loader.ts';
import { type PlannedBatch, sliceBatch } from '../data/training/sampler.ts';
import type { LossOutcome, Parameters, TrainingProgram } from '../kernels/backend.ts';
import { LogitRange } from './divergence.ts';
import { type ExchangeTime, GradientExchange } from './gradient-exchange.ts';
import type { Recipe } from './recipe.ts';

interface BatchGradientOptions {
  readonly recipe: Pick<Recipe, 'batch' | 'seed' | 'gradient-dtype' | 'label-smoothing'>;
  readonly classes: number;
  /** Boxes that the network predicts instead of class scores. */
  readonly boxes?: Regression;
  /** `[classes]`: factors on the images' losses (default: 1). */
  readonly classWeights?: Float32Array;
  readonly microBatch: number;
  readonly parameters: Parameters;
  readonly communicator: Communicator;
}

/** The outcome of a rank's part of a batch. */
interface BatchOutcome {
  readonly counts: ClassificationCounts;
  readonly logits: LogitRange;
  /** Images of the batch that turned out to be unreadable. */
  readonly lost: readonly BadImage[];
  /** Undefined for a single rank with one device. */
  readonly exchange?: ExchangeTime;
}

export class BatchGradient {
  readonly #options: BatchGradientOptions;
  readonly #dropoutKey: Key;
  readonly #exchange: GradientExchange | undefined;
  /** This rank's images of a batch. */
  readonly #share: readonly [from: number, to: number];

  constructor(options: BatchGradientOptions) {
    const { recipe, parameters, communicator } = options;
    this.#options = options;
    this.#dropoutKey = deriveKeys(keyOfSeed(recipe.seed), 'dropout');
    this.#share = shareOf(recipe.batch, communicator);
    this.#exchange = GradientExchange.between(parameters, communicator, recipe['gradient-dtype']);
  }

  /** This rank's micro-batches of some batches. */
  *plan(batches: Iterable<PlannedBatch>): Generator<PlannedBatch> {
    const [from, to] = this.#share;
    for (const batch of batches) {
      for (let start = from; start < to; start += this.#options.microBatch) {
        yield sliceBatch(batch, start, Math.min(start + this.#options.microBatch, to));
      }
    }
  }

  /**
   * Adds the gradient of one batch to the parameters' gradients, over all ranks.
   * @param next returns the next micro-batch of the plan
   */
  async add(program: TrainingProgram, next: () => Promise<ImageBatch>): Promise<BatchOutcome> {
    const { recipe, classes, boxes, classWeights } = this.#options;
    const outcome = { counts: noCounts(), logits: new LogitRange(classes), lost: [] as BadImage[] };
    const [from, to] = this.#share;
    let running: Promise<void> = Promise.resolve();
    for (let done = from; done < to; ) {
      const batch = await next();
      await running;
      outcome.lost.push(...(batch.lost ?? []));
      done += batch.labels.length;
      const { input: images, labels, targets } = batch;
      const numbers = boxes ? labels.map((label) => boxNumber(boxes, label)) : labels;
      const input = {
        ...{ input: images, labels: numbers, targets, dropoutKeys: this.#dropoutKeys(batch) },
        weights: classWeights && Float32Array.from(labels, (label) => classWeights[label]!),
        labelSmoothing: recipe['label-smoothing'],
      };
      // Gradients are final in the last micro-batch only.
      const onGradients = done === to ? this.#onGradients : undefined;
      running = program.accumulate(input, 1 / recipe.batch, onGradients).then((result) => {
        if (targets) countBoxes(outcome.counts, result, numbers, targets);
        else countOutcome(outcome.counts, result, labels);
        if (!boxes) outcome.logits.include(result.logits);
      });
      // Awaited in the next round or below; a failure in between must not count as unhandled.
      running.catch(() => {});
    }
    await running;
    return this.#exchange ? { ...outcome, exchange: await this.#exchange.finish() } : outcome;
  }

  get #onGradients(): ((tensor: number) => void) | undefined {
    const exchange = this.#exchange;
    return exchange && ((tensor) => exchange.ready(tensor));
  }

  /** Keys by (seed, epoch, image), so that masks depend neither on micro-batches nor on ranks. */
  #dropoutKeys({ epochs, images }: PlannedBatch): Uint32Array {
    const keys = new Uint32Array(images.length * 2);
    images.forEach((image, index) => {
      keys.set(deriveKeys(this.#dropoutKey, epochs[index]!, image), index * 2);
    });
    return keys;
  }
}

function countOutcome(
  counts: ClassificationCounts,
  { losses, logits }: LossOutcome,
  labels: Int32Array,
): void {
  const classes = logits.length / losses.length;
  losses.forEach((loss, image) => {
    countImage(counts, logits.subarray(image * classes, (image + 1) * classes), labels[image]!, loss);
  });
}

/** Counts a box that overlaps its target too little as a top-1 and a top-5 error: there is one guess. */
function countBoxes(
  counts: ClassificationCounts,
  { losses, logits }: LossOutcome,
  numbers: Int32Array,
  targets: Float32Array,
): void {
  const outputs = logits.length / losses.length;
  // Overlaps are the same in any square.
  const square = { left: 0, top: 0, size: 1 };
  losses.forEach((loss, image) => {
    const box = boxFrom(logits.subarray(image * outputs, (image + 1) * outputs), square, numbers[image]);
    const truth = boxFrom(targets.subarray(image * BOX_VALUES, (image + 1) * BOX_VALUES), square);
    const errors = Number(!(overlapOf(box, truth) > LEAST_OVERLAP));
    counts.images++;
    counts.top1Errors += errors;
    counts.top5Errors += errors;
    counts.lossSum += loss;
  });
}
