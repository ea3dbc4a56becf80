/** The images that a page trains and validates on. */
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { RgbImage } from '../data/sources/source.ts';
import { holdOut } from '../data/sources/splits.ts';
import { ColorSums } from '../data/training/color-sums.ts';
import type { Recipe } from '../train/recipe.ts';
import { keepImages, type LabeledImages } from './memory-images.ts';

export interface Part {
  readonly images: readonly RgbImage[];
  /** Numbers of classes. */
  readonly labels: Int32Array;
}

export interface TrainingSet {
  /** Sorted, as `vgg train` sorts folders. */
  readonly classes: readonly string[];
  readonly training: Part;
  readonly validation: Part;
  /** Of the training images, as they are kept. */
  readonly colors: ColorSums;
}

/**
 * Takes the images, and holds some out where there are none to validate on.
 * @throws UserError for images that make no training set.
 */
export async function readTrainingSet(
  images: LabeledImages,
  validation: LabeledImages | undefined,
  recipe: Recipe,
): Promise<TrainingSet> {
  const scale = parseTrainScale(recipe.scale);
  const all = await keepImages(images, scale);
  const own = validation && (await keepImages(validation, scale));
  if (own?.images.length === 0) {
    throw new UserError('there are no validation images: add some, or leave them out and a part is held out');
  }
  const classes = [...new Set(all.labels)].sort();
  if (classes.length < 2) {
    throw new UserError(
      `training needs images of two classes or more, and these ${all.images.length} are of ${classes.length}`,
    );
  }
  const strange = own?.labels.find((label) => !classes.includes(label));
  if (strange !== undefined) {
    throw new UserError(`there are validation images of ${strange}, and no training images of it; add some`);
  }
  const numbers = (labels: readonly string[]) => Int32Array.from(labels, (label) => classes.indexOf(label));
  const every: Part = { images: all.images, labels: numbers(all.labels) };
  const parts = own
    ? { training: every, validation: { images: own.images, labels: numbers(own.labels) } }
    : divide(every, recipe);
  const colors = new ColorSums();
  for (const image of parts.training.images) colors.add(image);
  return { classes, ...parts, colors };
}

function divide(all: Part, { holdout, seed }: Recipe): { training: Part; validation: Part } {
  const chosen = holdOut(all.images.length, holdout, seed);
  if (!chosen) throw new UserError(`${all.images.length} images are too few to train on; add more`);
  const part = (numbers: Uint32Array): Part => ({
    images: Array.from(numbers, (image) => all.images[image]!),
    labels: Int32Array.from(numbers, (image) => all.labels[image]!),
  });
  return { training: part(chosen.training), validation: part(chosen.validation) };
}
