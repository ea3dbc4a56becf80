/** Warnings where a person is about to be misled: by the settings, by the data, or by the result. */
import { similarClasses } from '../core/class-names.ts';
import { guessingLoss, guessingWarning } from '../core/guessing.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { remedyFor } from './divergence.ts';
import type { Metrics, ValidationMetrics } from './metrics.ts';
import type { Recipe } from './recipe.ts';

/** With fewer validation images, one image is two points of error or more. */
const FEW_VALIDATION_IMAGES = 50;
/** How many times as many images the commonest class may have as the rarest. */
const IMBALANCE = 10;
/** A loss above this share of the loss of guessing means that nothing has been learned. */
const NOT_LEARNED = 0.98;
/** Lines of metrics in a row with such a loss: single ones are noise. */
const FLAT_LINES = 5;

/** Number of images of each class. */
export function classCounts({ classes, length, label }: ImageSource): number[] {
  const counts = new Array<number>(classes.length).fill(0);
  for (let index = 0; index < length; index++) if (label(index) >= 0) counts[label(index)]!++;
  return counts;
}

interface SetFacts {
  readonly training: ImageSource;
  readonly validation: ImageSource;
  /** Median of the images' smaller sides, in pixels; undefined if unknown. */
  readonly side?: number;
}

/** What the settings and the data give reason to warn of, before training. */
export function setWarnings({ training, validation, side }: SetFacts, recipe: Recipe): string[] {
  return [
    batchWarning(recipe, training.length),
    validationWarning(recipe, validation.length),
    imbalanceWarning(training),
    similarClasses(training.classes),
    enlargementWarning(recipe, side),
  ].filter((warning) => warning !== undefined);
}

function batchWarning({ batch }: Recipe, images: number): string | undefined {
  if (batch <= images) return undefined;
  return `the batch of ${batch} is larger than the training set of ${images} images, so each step repeats images; use a smaller --batch, such as ${Math.min(16, 2 ** Math.floor(Math.log2(Math.max(1, images / 2))))}`;
}

function validationWarning({ 'lr-drop-at': dropAt }: Recipe, images: number): string | undefined {
  if (images >= FEW_VALIDATION_IMAGES) return undefined;
  const [choice, remedy] =
    dropAt === undefined
      ? ['best.safetensors and of the drops of the learning rate', ', and set --lr-drop-at']
      : ['best.safetensors', ''];
  return `there ${images === 1 ? 'is 1 validation image' : `are only ${images} validation images`}: each is ${(100 / images).toFixed(1)} points of error, so the choice of ${choice} is largely chance; use last.safetensors, add validation images or raise --holdout${remedy}`;
}

function imbalanceWarning(training: ImageSource): string | undefined {
  const counts = classCounts(training);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (most < IMBALANCE * least) return undefined;
  const name = (count: number) => training.labels[counts.indexOf(count)];
  return `class "${name(most)}" has ${most} training images and class "${name(least)}" only ${least}: a low error may hide that rare classes are not recognized; look at the error of each class (vgg evaluate --details)`;
}

function enlargementWarning({ crop, scale, from }: Recipe, side: number | undefined): string | undefined {
  // No network has a smaller crop than 32.
  if (side === undefined || side >= crop || crop === 32) return undefined;
  const fitting = Math.max(32, 32 * Math.floor(side / 32));
  return `most images are smaller than the crop (${side} pixels) and are enlarged to ${parseTrainScale(scale).min}, which costs time and adds no detail; --crop ${fitting} fits them${from === undefined ? '' : ', with --from-features-only'}`;
}

/** Notices a training that does not learn. */
export class LearningWatch {
  readonly #recipe: Recipe;
  readonly #guessing: number;
  readonly #patience: number;
  #flatLines = 0;

  /** @param totalIterations planned SGD steps */
  constructor(recipe: Recipe, training: ImageSource, totalIterations: number) {
    this.#recipe = recipe;
    this.#guessing = guessingLoss(classCounts(training));
    this.#patience = Math.max(20, Math.min(1000, totalIterations / 3));
  }

  /** @returns a warning, once, when the loss is still that of guessing after an epoch and a third of the steps */
  observe({ kind, epoch, iteration, loss }: Metrics): string | undefined {
    if (kind !== 'train' || epoch < 1 || iteration < this.#patience || this.#flatLines > FLAT_LINES)
      return undefined;
    this.#flatLines = loss < NOT_LEARNED * this.#guessing ? 0 : this.#flatLines + 1;
    if (this.#flatLines < FLAT_LINES) return undefined;
    this.#flatLines = Infinity;
    return `after ${epoch.toFixed(1)} epochs the loss is ${loss.toFixed(3)}, that of guessing (${this.#guessing.toFixed(3)}): the network has not learned so far; if the error stays high, ${remedyFor(this.#recipe, 'does not learn')}`;
  }
}

/** What the last validation gives reason to warn of. */
export function resultWarning(last: ValidationMetrics | null, validation: ImageSource): string | undefined {
  return last ? guessingWarning(last.top1Error, classCounts(validation)) : undefined;
}
