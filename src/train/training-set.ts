/** The images that a run trains and validates on, checked before the first iteration. */
import { numbersByName } from '../core/class-names.ts';
import { UserError } from '../core/errors.ts';
import { alone, type Team } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import { selectImages } from '../data/sources/select-images.ts';
import { holdOut, MissingSplitError } from '../data/sources/splits.ts';
import type { ColorAxes } from '../data/training/color-shift.ts';
import { goodImages, type SurveyProgress, surveyImages } from '../data/training/color-survey.ts';
import { TrainingImages } from '../data/training/loader.ts';
import { type DataRecord, findRecorded, recordImages } from './data-record.ts';
import type { Recipe } from './recipe.ts';

export interface TrainingSet {
  readonly training: ImageSource;
  readonly validation: ImageSource;
  /** Mean RGB of the training images, 0–255. */
  readonly mean: Rgb;
  readonly axes: ColorAxes;
  /** Records the images for later sessions of the run. */
  readonly record: () => Promise<DataRecord>;
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
  /** The images that the run was started with (default: a new run). */
  readonly record?: DataRecord;
}

/**
 * Opens the data, holds out a validation set if it has none, applies `limit`, and decodes every image once: for the
 * mean and the color axes, and to find images that cannot be read.
 * With a record of the run's images, they are found and compared instead of being decoded.
 * @throws UserError for data that cannot be trained on or that has changed; for bad images unless `skip-bad`.
 */
export async function openTrainingSet(location: string, options: TrainingSetOptions): Promise<TrainingSet> {
  const all = await asRecorded(
    await openImages(location, { split: 'train' }),
    options.record?.training,
    options,
  );
  const [own, heldOut] = await splitOff(location, all, options);
  // Held-out images come from the same folders as the others.
  for (const { unused } of heldOut.split === all.split ? [all] : [all, heldOut]) {
    const note = describeUnused(unused);
    if (note !== undefined) options.listener?.onNote?.(note);
  }
  checkClasses(all, heldOut);
  const training = await survey(limited(own, options.recipe), 'training', options);
  const validation = await survey(heldOut, 'validation', options);
  const { mean, axes } = options.record ?? training;
  return {
    training: training.good,
    validation: validation.good,
    mean,
    axes,
    record: async () => ({
      version: 1,
      training: await recordImages(all),
      validation: heldOut.split === all.split ? undefined : await recordImages(heldOut),
      mean,
      axes,
      bad: { training: training.bad, validation: validation.bad },
    }),
  };
}

/** The training images as batches of augmented crops. @param lost numbers of images to leave out */
export function trainingImages(
  { training, mean, axes }: TrainingSet,
  recipe: Recipe,
  lost: readonly number[] = [],
): TrainingImages {
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
    lost,
  });
}

/** Training and validation images: the data's own validation split, otherwise its test split, otherwise a part of its training images. */
async function splitOff(
  location: string,
  all: ImageSource,
  options: TrainingSetOptions,
): Promise<[training: ImageSource, validation: ImageSource]> {
  const { recipe, listener, record } = options;
  const validation = await ownValidation(location);
  if (validation?.split === 'test') {
    listener?.onNote?.(
      `${location} has no val split: its test images are used for validation and to choose the best model, so this run's errors are not an independent test`,
    );
  }
  if (validation) return [all, await asRecorded(validation, record?.validation, options)];
  const parts = holdOut(all.length, recipe.holdout, recipe.seed);
  if (!parts) {
    throw new UserError(
      `${location} has only ${countOf(all.length)}; add more, or add a val folder beside the training images`,
    );
  }
  const held = parts.validation.length;
  listener?.onNote?.(
    `${location} has no validation images: ${held} of ${countOf(all.length)} ${held === 1 ? 'is' : 'are'} held out for validation`,
  );
  return [selectImages(all, parts.training), selectImages(all, parts.validation)];
}

/** The images of an earlier session, if there was one. Only one rank compares their contents. */
async function asRecorded(
  source: ImageSource,
  recorded: DataRecord['training'] | undefined,
  { recipe, team = alone }: TrainingSetOptions,
): Promise<ImageSource> {
  if (recorded === undefined) return source;
  return findRecorded(source, recorded, { skipBad: recipe['skip-bad'], contents: team.rank === 0 });
}

function countOf(images: number): string {
  return `${images} ${images === 1 ? 'image' : 'images'}`;
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

function checkClasses(training: ImageSource, validation: ImageSource): void {
  const known = numbersByName(training.classes);
  const unknown = validation.classes.find((name) => !known.has(name.normalize('NFC')));
  if (unknown === undefined && validation.classes.length === training.classes.length) return;
  throw new UserError(
    `${training.location}: the validation images have ${validation.classes.length} classes, the training images ${training.classes.length}` +
      `${unknown === undefined ? '' : `, and only the validation images have "${unknown}"`}; use the same classes in both`,
  );
}

function limited(source: ImageSource, { limit, seed }: Recipe): ImageSource {
  if (limit === undefined || limit >= source.length) return source;
  const chosen = permutation(source.length, deriveKeys(keyOfSeed(seed), 'limit')).slice(0, limit);
  return selectImages(source, chosen.sort());
}

async function survey(
  source: ImageSource,
  what: 'training' | 'validation',
  { recipe, listener, signal, team, record }: TrainingSetOptions,
) {
  const survey = record
    ? { ...record, bad: record.bad[what] }
    : await surveyImages(source, {
        onProgress: (progress) => listener?.onSurvey?.({ ...progress, what }),
        onWarning: (note) => listener?.onNote?.(note),
        maxPixels: recipe['max-pixels'],
        signal,
        team,
      });
  const good = goodImages(source, survey, { skipBad: record !== undefined || recipe['skip-bad'] });
  if (!good) return { ...survey, good: source };
  listener?.onNote?.(
    `${survey.bad.length} of ${source.length} ${what} images cannot be read and ${survey.bad.length === 1 ? 'is' : 'are'} left out`,
  );
  return { ...survey, good: selectImages(source, good) };
}
