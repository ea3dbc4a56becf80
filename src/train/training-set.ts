/** The images that a run trains and validates on, checked before the first iteration. */
import { isUnbalanced } from '../core/classification.ts';
import { guessingError } from '../core/guessing.ts';
import type { Team } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import { listBad } from '../data/sources/bad-images.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import {
  fingerprintImages,
  packFingerprints,
  watchFingerprints,
} from '../data/sources/image-fingerprints.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { selectImages } from '../data/sources/select-images.ts';
import { checkColorProfiles } from '../data/sources/shards/packed-color-profiles.ts';
import type { ColorAxes } from '../data/training/color-shift.ts';
import { goodImages, type SurveyProgress, surveyImages } from '../data/training/color-survey.ts';
import { givenAxes } from '../data/training/given-colors.ts';
import { givenMean } from '../data/training/given-mean.ts';
import { TrainingImages } from '../data/training/loader.ts';
import type { ValidationRecord } from '../weights/model/metadata.ts';
import { asRecorded, type DataRecord, recordImages } from './data-record.ts';
import { openForTask } from './open-for-task.ts';
import type { Recipe } from './recipe.ts';
import { copiesWarning, missingClassWarnings, splitOff } from './validation-split.ts';

export interface TrainingSet {
  readonly training: ImageSource;
  readonly validation: ImageSource;
  /** Why images are left out, with their paths. */
  readonly bad: readonly string[];
  /** Reasons to distrust the errors: classes without images, copies. */
  readonly warnings: readonly string[];
  /** For the model files of a new run; a resumed one keeps what its checkpoint recorded. */
  readonly validationRecord: ValidationRecord;
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
  /** What a resumed run's model recorded of its validation; see `splitOff`. */
  readonly resumed?: 'recorded' | 'none';
}

/**
 * Larger sets are not searched for copies between their own splits: with a survey from the cache nothing else reads all
 * images.
 */
const MOST_COMPARED = 100_000;

/**
 * Opens the data, holds out a validation set if it has none, applies `limit`, and decodes every image once: for the
 * mean and the color axes, and to find images that cannot be read.
 * With a record of the run's images, they are found and compared instead of being decoded.
 * @throws UserError for data that cannot be trained on or that has changed; for bad images unless `skip-bad`.
 */
export async function openTrainingSet(location: string, options: TrainingSetOptions): Promise<TrainingSet> {
  const training = await openForTask(location, 'train', options.recipe, options.listener);
  const all = await asRecorded(training, options.record?.training, options);
  const { training: own, validation: others, split } = await splitOff(location, all, options);
  // Held-out images come from the same folders as the others.
  for (const { unused } of split === 'held-out' ? [all] : [all, others]) {
    const note = describeUnused(unused);
    if (note !== undefined) options.listener?.onNote?.(note);
  }
  for (const source of [all, others])
    checkColorProfiles(source, options.recipe['color-profiles'] ?? 'ignore');
  const isNew = options.resumed === undefined;
  const isRecorded = split === 'held-out' && isNew;
  const withFingerprints = isRecorded || (isNew && all.length + others.length <= MOST_COMPARED);
  const chosen = limited(own, options.recipe);
  const given = options.record ?? (await givenColors(options.recipe));
  const trained = await survey(chosen, 'training', options, { withFingerprints, ...given });
  const validation = await survey(others, 'validation', options, {
    withFingerprints,
    ...options.record,
  });
  const warnings = [
    ...missingClassWarnings(trained.good, validation.good),
    ...copiesWarning(split, trained.fingerprints, validation.fingerprints),
  ];
  const trainedOn = isRecorded ? packFingerprints(trained.fingerprints) : undefined;
  const { mean, axes } = { ...trained, ...given };
  return {
    training: trained.good,
    validation: validation.good,
    bad: [...trained.bad, ...validation.bad].map(({ message }) => message),
    warnings,
    validationRecord: { split, images: validation.good.length, trainedOn },
    mean,
    axes,
    record: async () => ({
      version: 1,
      training: await recordImages(all),
      validation: split === 'held-out' ? undefined : await recordImages(others),
      mean,
      axes,
      bad: { training: trained.bad, validation: validation.bad },
    }),
  };
}

/** The validation images of a run, without the images. */
export interface ValidationImages {
  /** A split of the data set, or `held-out`: a part of the training images. */
  readonly split: ValidationRecord['split'];
  readonly images: number;
  /** Whether some class has more than twice as many images as another. */
  readonly unbalanced: boolean;
  readonly classes: number;
  /** Whether the errors are of boxes. */
  readonly areBoxes: boolean;
  /** Error of always naming the commonest class, a fraction. */
  readonly guessing: number;
}

export function describeValidation({ validation, validationRecord }: TrainingSet): ValidationImages {
  const counts = validation.classes.map(() => 0);
  for (let image = 0; image < validation.length; image++) counts[validation.label(image)]!++;
  return {
    split: validationRecord.split,
    images: validation.length,
    unbalanced: isUnbalanced(counts),
    classes: validation.classes.length,
    areBoxes: validation.boxes !== undefined,
    guessing: guessingError(counts),
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
    colorProfiles: recipe['color-profiles'],
    lost,
  });
}

/** The images that `limit` leaves. */
export function limited(source: ImageSource, { limit, seed }: Pick<Recipe, 'limit' | 'seed'>): ImageSource {
  if (limit === undefined || limit >= source.length) return source;
  const chosen = permutation(source.length, deriveKeys(keyOfSeed(seed), 'limit')).slice(0, limit);
  return selectImages(source, chosen.sort());
}

interface GivenColors {
  readonly mean?: Rgb;
  readonly axes?: ColorAxes;
}

async function givenColors(recipe: Recipe): Promise<GivenColors> {
  const { mean = 'dataset', 'color-axes': axes } = recipe;
  const given = givenMean(mean);
  // Absent keys must not hide the survey's.
  return {
    ...(given && { mean: given }),
    ...(axes !== undefined && { axes: await givenAxes(axes) }),
  };
}

/**
 * Surveys the images, unless mean and axes are known, on the way to their fingerprints, so that each is read once; a
 * survey from the cache reads none.
 */
async function survey(
  source: ImageSource,
  what: 'training' | 'validation',
  { recipe, listener, signal, team, record }: TrainingSetOptions,
  { mean, axes, withFingerprints }: GivenColors & { readonly withFingerprints: boolean },
) {
  const known = new Map<number, string>();
  const watched = watchFingerprints(source, (image, found) => known.set(image, found));
  const survey =
    mean && axes
      ? { mean, axes, bad: record?.bad[what] ?? [] }
      : await surveyImages(withFingerprints ? watched : source, {
          onProgress: (progress) => listener?.onSurvey?.({ ...progress, what }),
          onWarning: (note) => listener?.onNote?.(note),
          maxPixels: recipe['max-pixels'],
          colorProfiles: recipe['color-profiles'],
          signal,
          team,
        });
  const good = goodImages(source, survey, { skipBad: record !== undefined || recipe['skip-bad'] });
  const onProgress = (done: number, total: number) =>
    listener?.onSurvey?.({ done, total, bad: survey.bad.length, what });
  const fingerprints = withFingerprints
    ? await fingerprintImages(source, { known, team, signal, onProgress })
    : [];
  if (!good) return { ...survey, fingerprints, good: source };
  listener?.onNote?.(
    `${survey.bad.length} of ${source.length} ${what} images cannot be read and ${survey.bad.length === 1 ? 'is' : 'are'} left out:${listBad(survey.bad)}`,
  );
  return { ...survey, fingerprints, good: selectImages(source, good) };
}
