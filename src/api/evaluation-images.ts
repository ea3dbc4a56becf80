/** Chooses the images that a model is evaluated on: never those that it was trained on, unless they are asked for. */
import { parse } from 'yaml';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import type { Team } from '../core/process-team.ts';
import { holdOutOfAll } from '../data/sources/hold-out.ts';
import { fingerprintImages, unpackFingerprints } from '../data/sources/image-fingerprints.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { type OpenOptions, openImages } from '../data/sources/open-images.ts';
import { selectImages } from '../data/sources/select-images.ts';
import { type MeasuredSplit, MissingSplitError, type Split } from '../data/sources/splits.ts';
import { classNumbers } from '../evaluate/inference/class-matching.ts';
import { limited } from '../train/training-set.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';

interface EvaluationImagesOptions {
  readonly data: string;
  /** Default: the validation images, otherwise the test images, otherwise those that were not trained on. */
  readonly split?: Split;
  readonly labels: OpenOptions['labels'];
  readonly signal?: AbortSignal;
  /** Called with notes for the user. */
  onNote?(note: string): void;
}

/** A data set that was opened before its models, so that a wrong path is reported at once. */
interface OpenedData {
  readonly options: EvaluationImagesOptions;
  readonly open: typeof openImages;
  readonly source: ImageSource | MissingSplitError;
}

export interface EvaluationImages {
  readonly source: ImageSource;
  readonly split?: MeasuredSplit;
  /** Images that were left out because a model was trained on them. */
  readonly trainedOn: number;
}

/**
 * @param open how data is opened (default: images without boxes)
 * @throws UserError when the data cannot be opened; a missing validation split may still be a hold-out.
 */
export async function openData(
  options: EvaluationImagesOptions,
  open: typeof openImages = openImages,
): Promise<OpenedData> {
  const { data, split, labels } = options;
  const opening = open(data, {
    split: split ?? 'val',
    labels,
    exact: split !== undefined,
    oneClass: true,
  });
  const source = await opening.catch((error: unknown) => {
    if (error instanceof MissingSplitError && (split ?? 'val') === 'val') return error;
    throw error;
  });
  return { options, open, source };
}

/** A model and the name of its file. */
interface NamedModel {
  readonly path: string;
  readonly facts: ModelFacts;
}

/**
 * Leaves out the images that one of the models was trained on, by their contents, if the data has no split of its own for
 * this. With the split `train`, leaves out those that training held out.
 * @param team processes that share the reading of the images
 * @throws UserError when the data lacks the split, or no image is left.
 */
export async function chooseImages(
  { options, open, source }: OpenedData,
  models: readonly NamedModel[],
  team: Team,
): Promise<EvaluationImages> {
  const { data, split, labels } = options;
  const isMissing = source instanceof MissingSplitError;
  const all = isMissing ? await open(data, { split: 'train', labels, oneClass: true }) : source;
  const [first] = models;
  // Reading all images takes long, so other classes are reported before.
  if (first !== undefined && all.classes.length > 0) {
    classNumbers({ path: data, classes: all.classes }, { path: first.path, classes: first.facts.classes });
  }
  const isDivided = !isMissing && all.split !== undefined && all.split !== 'train';
  const trained = isDivided ? undefined : await trainedOn(all, models, options, team);
  if (!trained?.some(Boolean)) {
    if (isMissing) throw source;
    return { source: all, split: all.split, trainedOn: 0 };
  }
  const numbers = (wanted: boolean) =>
    Uint32Array.from(trained.keys()).filter((image) => trained[image] === wanted);
  const [seen, others] = [numbers(true), numbers(false)];
  if (split === 'train') {
    if (others.length > 0) {
      options.onNote?.(
        `${countOf(seen, 'training image')} of ${data}; the other ${others.length} were not trained on and do not count`,
      );
    }
    return { source: selectImages(all, seen), split, trainedOn: 0 };
  }
  if (others.length === 0) {
    throw new UserError(
      `${models.length > 1 ? 'the models were' : 'the model was'} trained on all ${seen.length} images of ${data}; give others, or --split train`,
    );
  }
  options.onNote?.(
    `${countOf(others, 'held-out image')} of ${data}; ${seen.length} were trained on and do not count (--split train evaluates them)`,
  );
  return { source: selectImages(all, others), split: 'held-out', trainedOn: seen.length };
}

function countOf({ length }: Uint32Array, what: string): string {
  return `${length} ${what}${length === 1 ? '' : 's'}`;
}

/** Whether a model was trained on an image, for each image; undefined if no model has a hold-out. */
async function trainedOn(
  all: ImageSource,
  models: readonly NamedModel[],
  { split, signal, onNote }: EvaluationImagesOptions,
  team: Team,
): Promise<boolean[] | undefined> {
  // A model of features only, or images without labels: nothing is measured.
  if (all.classes.length === 0) return undefined;
  const records = models.flatMap(({ facts }) => facts.validation?.trainedOn ?? []).map(unpackFingerprints);
  const trained = Array.from({ length: all.length }, () => false);
  if (records.length > 0) {
    const fingerprints = await fingerprintImages(all, { signal, team });
    fingerprints.forEach((one, image) => {
      trained[image] = records.some((record) => record.has(one));
    });
  }
  for (const { path, facts } of models) {
    if (facts.validation && (facts.validation.split !== 'held-out' || facts.validation.trainedOn)) continue;
    const seen = await trainedOnByOlderVersion(all, facts.provenance);
    for (const image of seen ?? []) trained[image] = true;
    if (seen === undefined && split !== 'train') {
      onNote?.(
        `warning: ${path} does not record the images that it was trained on; if ${all.location} has some of them, the error is too low`,
      );
    }
  }
  return trained;
}

const olderRecipe = z.object({ holdout: z.number(), seed: z.int(), limit: z.int().optional() });

/**
 * Repeats the hold-out of older versions; the fingerprint of the images that it leaves must be the recorded one.
 * @returns numbers of images; undefined if these are not known to be the images that the model was trained on
 */
async function trainedOnByOlderVersion(
  all: ImageSource,
  { recipe, dataFingerprint }: ModelFacts['provenance'],
): Promise<readonly number[] | undefined> {
  // Not trained here.
  if (recipe === undefined) return [];
  const settings = olderRecipe.safeParse(parse(recipe));
  if (!settings.success) return undefined;
  const parts = holdOutOfAll(all.length, settings.data.holdout, settings.data.seed);
  for (const part of [all, ...(parts ? [selectImages(all, parts.training)] : [])]) {
    const own = limited(part, settings.data);
    if ((await own.fingerprint()) !== dataFingerprint) continue;
    const names = new Set(Array.from({ length: own.length }, (_, image) => own.imageName(image)));
    return [...Array(all.length).keys()].filter((image) => names.has(all.imageName(image)));
  }
  return undefined;
}
