/** Divides a data set into training and validation images, and warns of what the validation cannot show. */
import { numbersByName } from '../core/class-names.ts';
import { UserError } from '../core/errors.ts';
import type { Team } from '../core/process-team.ts';
import { holdOut, holdOutOfAll } from '../data/sources/hold-out.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { relabelImages, selectImages } from '../data/sources/select-images.ts';
import { MissingSplitError } from '../data/sources/splits.ts';
import type { ValidationRecord } from '../weights/model/metadata.ts';
import { asRecorded, type DataRecord } from './data-record.ts';
import { openForTask } from './open-for-task.ts';
import type { Recipe } from './recipe.ts';

/** Receives notes for the user. */
interface Notes {
  onNote?(note: string): void;
}

interface SplitOptions {
  readonly recipe: Recipe;
  readonly listener?: Notes;
  readonly team?: Team;
  /** The images that a resumed run was started with. */
  readonly record?: DataRecord;
  /** What the model of a resumed run recorded; `none` in the versions before records, whose split it keeps (default: a new run). */
  readonly resumed?: 'recorded' | 'none';
}

interface Parts {
  readonly training: ImageSource;
  /** With the training images' class numbers. */
  readonly validation: ImageSource;
  readonly split: ValidationRecord['split'];
}

/**
 * Training and validation images: the data's own validation split, otherwise, or with `validate-on: held-out`, a part of
 * its training images.
 */
export async function splitOff(location: string, all: ImageSource, options: SplitOptions): Promise<Parts> {
  const { recipe, listener, record, resumed } = options;
  const own = await ownValidation(location, options);
  const isTest = own?.split === 'test';
  const isWanted = recipe['validate-on'] === 'val' && !isTest;
  if (own && (isWanted || resumed === 'none')) {
    if (isTest) {
      listener?.onNote?.(
        `${location} has no val split: this run, started by an older version, validates on its test images and chooses the best model by them, so its errors are not an independent test`,
      );
    }
    const validation = await asRecorded(relabeled(own, all), record?.validation, options);
    return { training: all, validation, split: isTest ? 'test' : 'val' };
  }
  const parts = divide(all, recipe, resumed);
  if (!parts) {
    throw new UserError(
      `${location} has only ${imagesOf(all)}, no two of the same class (${preview(all.classes)}), so none can be held out for validation; add more of each class, or add a val folder beside the training images`,
    );
  }
  const held = parts.validation.length;
  const reason = !own ? ' has no validation images' : isTest ? ' has no val split' : '';
  listener?.onNote?.(
    `${location}${reason}: ${held} of ${imagesOf(all, own ? 'training ' : '')} ${held === 1 ? 'is' : 'are'} held out for validation` +
      (own ? `, and its ${isTest ? 'test' : 'val'} images are not used` : ''),
  );
  return {
    training: selectImages(all, parts.training),
    validation: selectImages(all, parts.validation),
    split: 'held-out',
  };
}

function divide(all: ImageSource, { holdout, seed }: Recipe, resumed: SplitOptions['resumed']) {
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

async function ownValidation(
  location: string,
  { recipe, listener }: SplitOptions,
): Promise<ImageSource | undefined> {
  try {
    const source = await openForTask(location, 'val', recipe, listener);
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

function preview(names: readonly string[]): string {
  const more = names.length > CLASSES_NAMED ? ` and ${names.length - CLASSES_NAMED} more` : '';
  return `${names.slice(0, CLASSES_NAMED).join(', ')}${more}`;
}

/** Warns of classes without a training or validation image. */
export function missingClassWarnings(training: ImageSource, validation: ImageSource): string[] {
  const warning = (
    kind: string,
    { classes, labels }: ImageSource,
    { length, label }: ImageSource,
    so: string,
  ) => {
    const seen = new Set(Array.from({ length }, (_, image) => label(image)));
    const missing = labels.filter((_, number) => !seen.has(number));
    if (missing.length === 0) return [];
    return [
      `${missing.length} of ${classes.length} classes ${missing.length === 1 ? 'has' : 'have'} no ${kind} image: ${preview(missing)}; ${so}`,
    ];
  };
  return [
    ...warning('training', training, training, 'the network cannot learn them, so add images or remove them'),
    ...warning('validation', training, validation, 'their errors are not measured, so add images'),
  ];
}

/** Warns of validation images that are copies of training images. */
export function copiesWarning(
  split: ValidationRecord['split'],
  training: readonly string[],
  validation: readonly string[],
): string[] {
  const trained = new Set(training);
  const copies = validation.filter((one) => one !== '' && trained.has(one)).length;
  if (copies === 0) return [];
  const isHeldOut = split === 'held-out';
  return [
    `${copies} of ${validation.length} ${isHeldOut ? 'held-out' : 'validation'} images ${copies === 1 ? 'is a copy of a training image' : 'are copies of training images'}, so the validation error is too low; remove the copies${isHeldOut ? ' (evaluate leaves them out)' : ''}`,
  ];
}
