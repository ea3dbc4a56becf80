/** The images that a run trains and validates on, checked before the first iteration. */
import { isUnbalanced } from '../core/classification.ts';
import type { Team } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import {
  fingerprintImages,
  packFingerprints,
  watchFingerprints,
} from '../data/sources/image-fingerprints.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import { selectImages } from '../data/sources/select-images.ts';
import type { ColorAxes } from '../data/training/color-shift.ts';
import { goodImages, type SurveyProgress, surveyImages } from '../data/training/color-survey.ts';
import { TrainingImages } from '../data/training/loader.ts';
import type { ValidationRecord } from '../weights/model/metadata.ts';
import type { Recipe } from './recipe.ts';
import { noteCopies, noteMissingClasses, splitOff } from './validation-split.ts';

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
  const isRecorded = split === 'held-out' && options.resumed === undefined;
  const chosen = limited(own, options.recipe);
  const training = await survey(chosen, 'training', options, isRecorded);
  const validation = await survey(others, 'validation', options, isRecorded);
  noteMissingClasses(training.good, validation.good, options.listener);
  if (isRecorded) noteCopies(training.fingerprints, validation.fingerprints, options.listener);
  const trainedOn = isRecorded ? packFingerprints(training.fingerprints) : undefined;
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

/** The images that `limit` leaves. */
export function limited(source: ImageSource, { limit, seed }: Pick<Recipe, 'limit' | 'seed'>): ImageSource {
  if (limit === undefined || limit >= source.length) return source;
  const chosen = permutation(source.length, deriveKeys(keyOfSeed(seed), 'limit')).slice(0, limit);
  return selectImages(source, chosen.sort());
}

/** Surveys the images on the way to their fingerprints, so that each is read once; a survey from the cache reads none. */
async function survey(
  source: ImageSource,
  what: 'training' | 'validation',
  { recipe, listener, signal, team }: TrainingSetOptions,
  withFingerprints: boolean,
) {
  const known = new Map<number, string>();
  const watched = watchFingerprints(source, (image, found) => known.set(image, found));
  const survey = await surveyImages(withFingerprints ? watched : source, {
    onProgress: (progress) => listener?.onSurvey?.({ ...progress, what }),
    onWarning: (note) => listener?.onNote?.(note),
    maxPixels: recipe['max-pixels'],
    signal,
    team,
  });
  const good = goodImages(source, survey, { skipBad: recipe['skip-bad'] });
  const fingerprints = withFingerprints ? await fingerprintImages(source, { known, team, signal }) : [];
  if (!good) return { ...survey, fingerprints, good: source };
  listener?.onNote?.(
    `${survey.bad.length} of ${source.length} ${what} images cannot be read and ${survey.bad.length === 1 ? 'is' : 'are'} left out`,
  );
  return { ...survey, fingerprints, good: selectImages(source, good) };
}
