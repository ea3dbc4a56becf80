/** The training and validation images of a page. */
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import { holdOut } from '../data/sources/hold-out.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import { ColorSums } from '../data/training/color-sums.ts';
import type { Recipe } from '../train/recipe.ts';
import { keepImages, type LabeledImages } from './memory-images.ts';

export interface ImageSubset {
  readonly images: readonly RgbImage[];
  /** Class indices `[images]`. */
  readonly labels: Int32Array;
}

export interface WebTrainingSet {
  /** Identifiers, sorted as `vgg train` sorts folders. */
  readonly classes: readonly string[];
  readonly training: ImageSubset;
  readonly validation: ImageSubset;
  /** Mean of the training images. */
  readonly colors: ColorSums;
}

/**
 * Reads the images, and holds out some of them if there are no validation images.
 * @throws UserError when the images are too few or too many, or training and validation classes do not match
 */
export async function readWebTrainingSet(
  images: LabeledImages,
  validation: LabeledImages | undefined,
  recipe: Recipe,
): Promise<WebTrainingSet> {
  const scale = parseTrainScale(recipe.scale);
  const all = await keepImages(images, scale);
  const own = validation && (await keepImages(validation, scale));
  if (own?.images.length === 0) {
    throw new UserError(
      'validation has no images: add some, or omit validation to hold out part of the training images',
    );
  }
  const classes = [...new Set(all.labels)].sort();
  if (classes.length < 2) {
    throw new UserError(
      `training needs images of at least two classes; these ${all.images.length} images have ${classes.length}`,
    );
  }
  if (own && recipe['validate-on'] === 'held-out') {
    throw new UserError('validation images and validate-on: held-out contradict each other; leave one out');
  }
  const unknown = own?.labels.find((label) => !classes.includes(label));
  if (unknown !== undefined) {
    throw new UserError(`there are validation images of class ${unknown} but no training images: add some`);
  }
  const indices = (labels: readonly string[]) => Int32Array.from(labels, (label) => classes.indexOf(label));
  const every: ImageSubset = { images: all.images, labels: indices(all.labels) };
  const parts = own
    ? { training: every, validation: { images: own.images, labels: indices(own.labels) } }
    : divide(every, recipe);
  const colors = new ColorSums();
  for (const image of parts.training.images) colors.add(image);
  return { classes, ...parts, colors };
}

function divide(
  all: ImageSubset,
  { holdout, seed }: Recipe,
): { training: ImageSubset; validation: ImageSubset } {
  const chosen = holdOut(all.labels, holdout, seed);
  if (!chosen) throw new UserError(`${all.images.length} images are too few to train on: add more`);
  const subset = (numbers: Uint32Array): ImageSubset => ({
    images: Array.from(numbers, (image) => all.images[image]!),
    labels: Int32Array.from(numbers, (image) => all.labels[image]!),
  });
  return { training: subset(chosen.training), validation: subset(chosen.validation) };
}
