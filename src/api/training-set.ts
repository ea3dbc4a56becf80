/** The images that a run trains on and validates on, checked before the first iteration. */
import { UserError } from '../core/errors.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import type { Rgb } from '../core/shape.ts';
import type { Team } from '../core/team.ts';
import { openImages } from '../data/sources/open-images.ts';
import { selectImages } from '../data/sources/select.ts';
import type { ImageSource } from '../data/sources/source.ts';
import { holdOut, MissingSplitError } from '../data/sources/splits.ts';
import type { ColorAxes } from '../data/training/color-shift.ts';
import { goodImages, type SurveyProgress, surveyImages } from '../data/training/survey.ts';
import type { Recipe } from '../train/recipe.ts';

export interface TrainingSet {
  readonly training: ImageSource;
  readonly validation: ImageSource;
  readonly mean: Rgb;
  readonly axes: ColorAxes;
}

export interface TrainingSetListener {
  /** Something the person should know. */
  onNote?(note: string): void;
  onSurvey?(progress: SurveyProgress & { readonly what: 'training' | 'validation' }): void;
}

/**
 * Opens the data, holds out a validation set where there is none, applies `limit`, and decodes every image
 * once: for the mean, the colour axes, and to find images that cannot be read.
 * @param team who shares the decoding
 * @throws UserError for data that cannot be trained on; for bad images unless `skip-bad`.
 */
export async function openTrainingSet(
  location: string,
  recipe: Recipe,
  listener: TrainingSetListener = {},
  signal?: AbortSignal,
  team?: Team,
): Promise<TrainingSet> {
  const all = await openImages(location, { split: 'train' });
  const [own, validation] = await splitOff(location, all, recipe, listener);
  checkClasses(all, validation);
  const training = await survey(limited(own, recipe), 'training', { recipe, listener, signal, team });
  const validated = await survey(validation, 'validation', { recipe, listener, signal, team });
  return {
    training: training.good,
    validation: validated.good,
    mean: training.survey.mean,
    axes: training.survey.axes,
  };
}

/** The data's own validation set, or part of its training images. */
async function splitOff(
  location: string,
  all: ImageSource,
  recipe: Recipe,
  listener: TrainingSetListener,
): Promise<[ImageSource, ImageSource]> {
  const validation = await ownValidation(location);
  if (validation) return [all, validation];
  const parts = holdOut(all.length, recipe.holdout, recipe.seed);
  if (!parts) {
    throw new UserError(`${location} has only ${all.length} images; add more, or a val folder of its own`);
  }
  listener.onNote?.(
    `${location} has no validation images of its own: ${parts.validation.length} of its ${all.length} images are held out for validation`,
  );
  return [selectImages(all, parts.training), selectImages(all, parts.validation)];
}

async function ownValidation(location: string): Promise<ImageSource | undefined> {
  try {
    const source = await openImages(location, { split: 'val' });
    // A location that is not divided gives the training images again.
    return source.split === undefined ? undefined : source;
  } catch (error) {
    if (error instanceof MissingSplitError) return undefined;
    throw error;
  }
}

function checkClasses(training: ImageSource, validation: ImageSource): void {
  const known = new Set(training.classes);
  const strange = validation.classes.find((name) => !known.has(name));
  if (strange !== undefined || validation.classes.length !== training.classes.length) {
    throw new UserError(
      `the validation images of ${training.location} have ${validation.classes.length} classes, the training images ${training.classes.length}` +
        `${strange === undefined ? '' : `, and "${strange}" is only among the former`}; both need the same classes`,
    );
  }
}

function limited(source: ImageSource, { limit, seed }: Recipe): ImageSource {
  if (limit === undefined || limit >= source.length) return source;
  const chosen = permutation(source.length, deriveKeys(keyOfSeed(seed), 'limit')).slice(0, limit);
  return selectImages(source, chosen.sort());
}

interface SurveyContext {
  readonly recipe: Recipe;
  readonly listener: TrainingSetListener;
  readonly signal: AbortSignal | undefined;
  readonly team: Team | undefined;
}

async function survey(
  source: ImageSource,
  what: 'training' | 'validation',
  { recipe, listener, signal, team }: SurveyContext,
) {
  const survey = await surveyImages(source, {
    onProgress: (progress) => listener.onSurvey?.({ ...progress, what }),
    onWarning: (note) => listener.onNote?.(note),
    maxPixels: recipe['max-pixels'],
    signal,
    team,
  });
  const good = goodImages(source, survey, { skipBad: recipe['skip-bad'] });
  if (!good) return { survey, good: source };
  listener.onNote?.(
    `${survey.bad.length} of the ${source.length} ${what} images cannot be read and are left out`,
  );
  return { survey, good: selectImages(source, good) };
}
