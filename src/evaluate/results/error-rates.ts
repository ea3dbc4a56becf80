/** Error rates from exact counts (paper, 4: top-1 and top-5 error). Images without a label do not count. */
import { guessingWarning } from '../../core/guessing.ts';
import type { MeasuredSplit } from '../../data/sources/splits.ts';
import type { LoadedEnsemble } from '../inference/open-ensemble.ts';
import type { Protocol, ResolvedProtocol } from '../protocol/protocol.ts';
import type { ImageResult, ImageResults } from './image-results.ts';

export interface ErrorRates {
  /** Images with a label. */
  readonly images: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  /** Fraction of the images whose true class is not the most probable one. */
  readonly top1Error: number;
  /** Fraction of the images whose true class is not among the five most probable ones. */
  readonly top5Error: number;
  /** Top-1 error averaged over the classes that have images, each with the same weight. */
  readonly meanClassError: number;
}

/** Counts errors; images may come in any order. */
export class ErrorCounter {
  images = 0;
  top1Errors = 0;
  top5Errors = 0;

  add({ rank }: ImageResult): void {
    if (rank < 0) return;
    this.images++;
    this.top1Errors += Number(rank >= 1);
    this.top5Errors += Number(rank >= 5);
  }

  get top1Error(): number {
    return this.top1Errors / this.images;
  }
}

/** All rates are NaN if no image has a label. */
export function errorRates(results: ImageResults): ErrorRates {
  const counter = new ErrorCounter();
  const byClass: ErrorCounter[] = [];
  let lossSum = 0;
  for (const result of results) {
    counter.add(result);
    if (result.label >= 0) {
      byClass[result.label] ??= new ErrorCounter();
      byClass[result.label]!.add(result);
    }
    lossSum += result.loss;
  }
  const classErrors = Object.values(byClass).map(({ top1Error }) => top1Error);
  const { images, top1Errors, top5Errors } = counter;
  return {
    images,
    loss: lossSum / images,
    top1Error: top1Errors / images,
    top5Error: top5Errors / images,
    meanClassError: classErrors.reduce((sum, error) => sum + error, 0) / classErrors.length,
  };
}

export interface EvaluationResult {
  /**
   * The images that were evaluated: a split, or `held-out`: the part of the data that the model was not trained on.
   * Undefined: all images of a data set that is not divided and that the model was not trained on.
   */
  readonly split?: MeasuredSplit;
  /** Number of images of this data set that were left out because the model was trained on them. */
  readonly trainedOn: number;
  /** Number of images. */
  readonly images: number;
  /** Number of images with a label. Errors and loss are over these; NaN (null in JSON) if there are none. */
  readonly labeled: number;
  /** Fraction of the labeled images whose true class is not the most probable one. */
  readonly top1Error: number;
  /** Fraction of the labeled images whose true class is not among the five most probable ones. */
  readonly top5Error: number;
  /** Top-1 error averaged over the classes that have images, each with the same weight. */
  readonly meanClassError: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  readonly protocol: Protocol;
  /** Whether mirror images were averaged in. */
  readonly flip: boolean;
  /** All test scales Q in pixels, ascending. */
  readonly scales: readonly number[];
  /** The model files. */
  readonly models: readonly string[];
  /** Scales of each model and the SHA-256 of its file. */
  readonly modelDetails: readonly {
    readonly path: string;
    readonly sha256: string;
    readonly scales: readonly number[];
  }[];
  /** Class identifiers in label order. */
  readonly classes: readonly string[];
  /** Display names of the classes, in label order. */
  readonly labels: readonly string[];
  /** The result of each image, see `measureByClass` and `confusionMatrix`. */
  readonly results: ImageResults;
  /** Duration in seconds. */
  readonly seconds: number;
  /** Reasons to distrust the result. */
  readonly warnings: readonly string[];
}

/**
 * @param checksums SHA-256 of each model file
 * @param seconds duration of the evaluation
 */
export function evaluationResult(
  { models, first }: LoadedEnsemble,
  { protocol, flip, scales }: ResolvedProtocol,
  checksums: readonly string[],
  { split, trainedOn }: Pick<EvaluationResult, 'split' | 'trainedOn'>,
  results: ImageResults,
  seconds: number,
): EvaluationResult {
  const { images: labeled, ...rates } = errorRates(results);
  const { classes } = first.facts;
  const counts = measureByClass(results, classes.length).map(({ images }) => images);
  const guessing = labeled > 0 ? guessingWarning(rates.top1Error, counts) : undefined;
  return {
    split,
    trainedOn,
    images: results.done,
    labeled,
    ...rates,
    protocol,
    flip,
    scales: [...new Set(scales.flat())].sort((a, b) => a - b),
    models: models.map(({ path }) => path),
    modelDetails: models.map(({ path }, i) => ({ path, sha256: checksums[i]!, scales: scales[i]! })),
    classes,
    labels: first.facts.labels,
    results,
    seconds,
    warnings: guessing === undefined ? [] : [guessing],
  };
}

/** Counts for the images of one class. */
export interface ClassErrors {
  readonly images: number;
  readonly top1Errors: number;
  readonly top5Errors: number;
}

/**
 * Counts errors for each true class.
 * @param classes number of classes
 * @returns `[classes]`, in label order
 * @example
 * const { results, labels } = await evaluateModel({ data: 'photos', model: 'best.safetensors' });
 * const byClass = measureByClass(results, labels.length);
 */
export function measureByClass(results: ImageResults, classes: number): ClassErrors[] {
  const counts = Array.from({ length: classes }, () => new ErrorCounter());
  for (const result of results) if (result.label >= 0) counts[result.label]!.add(result);
  return counts.map(({ images, top1Errors, top5Errors }) => ({ images, top1Errors, top5Errors }));
}

/**
 * Counts images by true and predicted class.
 * @param classes number of classes
 * @returns `[true class, most probable class]`, row by row
 * @example
 * const matrix = confusionMatrix(results, labels.length);
 * const catsPredictedAsDogs = matrix[cat * labels.length + dog];
 */
export function confusionMatrix(results: ImageResults, classes: number): Uint32Array {
  const counts = new Uint32Array(classes ** 2);
  for (const { label, top } of results) if (label >= 0) counts[label * classes + top[0]!.index]!++;
  return counts;
}
