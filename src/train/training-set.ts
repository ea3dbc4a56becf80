/** The images that a run trains and validates on, checked before the first iteration. */

import { numbersByName } from '../core/class-names.ts';
import { isUnbalanced } from '../core/classification.ts';
import { UserError } from '../core/errors.ts';
import type { Team } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import { holdOut, holdOutOfAll } from '../data/sources/hold-out.ts';
import {
  fingerprintImages,
  packFingerprints,
  watchFingerprints,
} from '../data/sources/image-fingerprints.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import { relabelImages, selectImages } from '../data/sources/select-images.ts';
import { MissingSplitError } from '../data/sources/splits.ts';
import type { ColorAxes } from '../data/training/color-shift.ts';
import { goodImages, type SurveyProgress, surveyImages } from '../data/training/color-survey.ts';
import { TrainingImages } from '../data/training/loader.ts';
import type { ValidationRecord } from '../weights/model/metadata.ts';
import type { Recipe } from './recipe.ts';

export interface TrainingSet {
  readonly training: ImageSource;
  readonly validation: ImageSource;
  /** What the model files record about the validation images. A resumed run keeps the record of its checkpoint. */
  readonly record: ValidationRecord;
  /** Mean RGB of the training images, 0–255. */
  readonly mean: Rgb;
  readonly axes: ColorAxes;
}

export interface TrainingSetListener {
  /** Called with notes for the user, such as "1 of 3 images is held out for validation". */
  onNote?(note: string): void;
  /** Called while all images are decoded once, before the first iteration. */
  onSurvey?(progress: SurveyProgress & { readonly what: 'training' | 'validation' }): void;
}

interface TrainingSetOptions {
  readonly recipe: Recipe;
  readonly listener?: TrainingSetListener;
  readonly signal?: AbortSignal;
  /** Ranks that share the decoding (default: this process alone). */
  readonly team?: Team;
  /** What a resumed run recorded; `none` in the versions before records, whose split it keeps (default: a new run). */
  readonly resumed?: 'recorded' | 'none';
}

/**
 * Opens the data, holds out a validation set if it has none, applies `limit`, and decodes every image once: for the
 * mean and the color axes, and to find images that cannot be read.
 * @throws UserError for data that cannot be trained on; for bad images unless `skip-bad`.
 */
export async function openTrainingSet(location: string, options: TrainingSetOptions): Promise<TrainingSet> {
  const all = await openImages(location, { split: 'train' });
  const { training: own, validation: others, split } = await splitOff(location, all, options);
  // Held-out images come from the same folders as the others.
  for (const { unused } of split === 'held-out' ? [all] : [all, others]) {
    const note = describeUnused(unused);
    if (note !== undefined) options.listener?.onNote?.(note);
  }
  const fingerprints = new Map<number, string>();
  const isRecorded = split === 'held-out' && options.resumed === undefined;
  const chosen = limited(own, options.recipe);
  const watched = watchFingerprints(chosen, (image, found) => fingerprints.set(image, found));
  const training = await survey(chosen, 'training', options, isRecorded ? watched : chosen);
  const validation = await survey(others, 'validation', options);
  noteMissingClasses(training.good, validation.good, options.listener);
  const trainedOn = isRecorded
    ? packFingerprints(await fingerprintImages(chosen, { ...options, known: fingerprints }))
    : undefined;
  return {
    training: training.good,
    validation: validation.good,
    record: { split, images: validation.good.length, trainedOn },
    mean: training.mean,
    axes: training.axes,
  };
}

/** The validation images of a run, without the images. */
export interface ValidationImages {
  /** A split of the data set, or `held-out`: a part of the training images. */
  readonly split: ValidationRecord['split'];
  readonly images: number;
  /** Whether some class has more than twice as many images as another. */
  readonly unbalanced: boolean;
}

export function describeValidation({ validation, record }: TrainingSet): ValidationImages {
  const counts = validation.classes.map(() => 0);
  for (let image = 0; image < validation.length; image++) counts[validation.label(image)]!++;
  return { split: record.split, images: validation.length, unbalanced: isUnbalanced(counts) };
}

/** The training images as batches of augmented crops. */
export function trainingImages({ training, mean, axes }: TrainingSet, recipe: Recipe): TrainingImages {
  return new TrainingImages(training, {
    seed: recipe.seed,
    crop: recipe.crop,
    scale: parseTrainScale(recipe.scale),
    randomCrop: recipe['random-crop'],
    flip: recipe.flip,
    colorShift: recipe['color-shift'] ? axes : undefined,
    mean,
    memory: recipe['memory-budget'] * 2 ** 20,
    maxPixels: recipe['max-pixels'],
  });
}

interface Parts {
  readonly training: ImageSource;
  /** With the training images' class numbers. */
  readonly validation: ImageSource;
  readonly split: ValidationRecord['split'];
}

/** Training and validation images: the data's own validation split, otherwise a part of its training images. */
async function splitOff(
  location: string,
  all: ImageSource,
  { recipe, listener, resumed }: TrainingSetOptions,
): Promise<Parts> {
  const own = await ownValidation(location);
  const isTest = own?.split === 'test';
  if (own && (!isTest || resumed === 'none')) {
    if (isTest) {
      listener?.onNote?.(
        `${location} has no val split: this run, started by an older version, validates on its test images and chooses the best model by them, so its errors are not an independent test`,
      );
    }
    return { training: all, validation: relabeled(own, all), split: own.split === 'test' ? 'test' : 'val' };
  }
  const parts = divide(all, recipe, resumed);
  if (!parts) {
    throw new UserError(
      `${location} has only ${imagesOf(all)}${all.length > 1 ? ', no two of the same class' : ''}, so none can be held out for validation; add more of each class, or add a val folder beside the training images`,
    );
  }
  const held = parts.validation.length;
  listener?.onNote?.(
    `${location} has no ${isTest ? 'val split' : 'validation images'}: ${held} of ${imagesOf(all, isTest ? 'training ' : '')} ${held === 1 ? 'is' : 'are'} held out for validation` +
      (isTest ? ', and its test images are not used' : ''),
  );
  return {
    training: selectImages(all, parts.training),
    validation: selectImages(all, parts.validation),
    split: 'held-out',
  };
}

function divide(all: ImageSource, { holdout, seed }: Recipe, resumed: TrainingSetOptions['resumed']) {
  if (resumed === 'none') return holdOutOfAll(all.length, holdout, seed);
  return holdOut(
    Int32Array.from({ length: all.length }, (_, image) => all.label(image)),
    holdout,
    seed,
  );
}

function imagesOf({ length }: ImageSource, kind = ''): string {
  return `${length} ${kind}${length === 1 ? 'image' : 'images'}`;
}

async function ownValidation(location: string): Promise<ImageSource | undefined> {
  try {
    const source = await openImages(location, { split: 'val' });
    // Data without splits gives the training images again.
    return source.split === undefined ? undefined : source;
  } catch (error) {
    if (error instanceof MissingSplitError) return undefined;
    throw error;
  }
}

/** The validation images with the class numbers of the training images. Some classes may have none. */
function relabeled(validation: ImageSource, training: ImageSource): ImageSource {
  const known = numbersByName(training.classes);
  const unknown = validation.classes.find((name) => !known.has(name.normalize('NFC')));
  if (unknown === undefined) return relabelImages(validation, training);
  throw new UserError(
    `${training.location}: the validation images have ${validation.classes.length} classes, the training images ${training.classes.length}, ` +
      `and only the validation images have "${unknown}"; use the same classes in both`,
  );
}

const CLASSES_NAMED = 5;

function noteMissingClasses(
  training: ImageSource,
  validation: ImageSource,
  listener: TrainingSetListener | undefined,
): void {
  const note = (
    kind: string,
    { classes, labels }: ImageSource,
    { length, label }: ImageSource,
    so: string,
  ) => {
    const seen = new Set(Array.from({ length }, (_, image) => label(image)));
    const missing = labels.filter((_, number) => !seen.has(number));
    if (missing.length === 0) return;
    const named = missing.slice(0, CLASSES_NAMED).map((name) => `"${name}"`);
    const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : '';
    listener?.onNote?.(
      `warning: ${missing.length} of ${classes.length} classes ${missing.length === 1 ? 'has' : 'have'} no ${kind} image: ${named.join(', ')}${more}; ${so}`,
    );
  };
  note('training', training, training, 'the network cannot learn them, so add images or remove them');
  note('validation', training, validation, 'their errors are not measured, so add images');
}

/** The images that `limit` leaves. */
export function limited(source: ImageSource, { limit, seed }: Pick<Recipe, 'limit' | 'seed'>): ImageSource {
  if (limit === undefined || limit >= source.length) return source;
  const chosen = permutation(source.length, deriveKeys(keyOfSeed(seed), 'limit')).slice(0, limit);
  return selectImages(source, chosen.sort());
}

async function survey(
  source: ImageSource,
  what: 'training' | 'validation',
  { recipe, listener, signal, team }: TrainingSetOptions,
  read = source,
) {
  const survey = await surveyImages(read, {
    onProgress: (progress) => listener?.onSurvey?.({ ...progress, what }),
    onWarning: (note) => listener?.onNote?.(note),
    maxPixels: recipe['max-pixels'],
    signal,
    team,
  });
  const good = goodImages(source, survey, { skipBad: recipe['skip-bad'] });
  if (!good) return { ...survey, good: source };
  listener?.onNote?.(
    `${survey.bad.length} of ${source.length} ${what} images cannot be read and ${survey.bad.length === 1 ? 'is' : 'are'} left out`,
  );
  return { ...survey, good: selectImages(source, good) };
}
