import { type Box, bestOverlap, LEAST_OVERLAP } from '../core/boxes.ts';
import { UsageError, UserError } from '../core/errors.ts';
import { errorInterval } from '../core/guessing.ts';
import { alone } from '../core/process-team.ts';
import { meanOf } from '../core/statistics.ts';
import { openBoxes } from '../data/boxes/open-boxes.ts';
import { loadForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import { developmentKitNumbers } from '../data/sources/ilsvrc/labels.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import type { MeasuredSplit, Split } from '../data/sources/splits.ts';
import { classNumbers, matchClasses } from '../evaluate/inference/class-matching.ts';
import { ImageClassifier } from '../evaluate/inference/image-classifier.ts';
import { type EngineOptions, type LoadedModel, loadModels } from '../evaluate/inference/load-model.ts';
import { sharedColorProfiles } from '../evaluate/inference/shared-preparation.ts';
import { boxErrors, measureCenterBoxes } from '../evaluate/localize/box-validator.ts';
import { storedSize } from '../evaluate/localize/center-boxes.ts';
import {
  type LocalizingNetworks,
  type LocatedClass,
  locateClasses,
  scalesOf,
} from '../evaluate/localize/dense-boxes.ts';
import { type LocalizedImage, writeLocalizations } from '../evaluate/localize/localization-files.ts';
import { resolveScales } from '../evaluate/protocol/test-scales.ts';
import {
  checkOutputFolders,
  type ResultFileOptions,
} from '../evaluate/results/predictions-and-submission.ts';
import { chooseImages, openData } from './evaluation-images.ts';

export interface LocalizationOptions extends EngineOptions, ResultFileOptions {
  /** Location of the images, see `openImages`, or PASCAL VOC's folder. */
  readonly data: string;
  /** Localization models. In the protocol `dense`, their boxes are united; `center` takes one. */
  readonly models: readonly string[];
  /** Classification models whose averaged class scores name the classes and rate the boxes (protocol `dense` only). */
  readonly classifiers?: readonly string[];
  /**
   * `center`: the box of the true class from the center crop. `dense`: five classes, each with a box merged from the whole
   * image at all scales. Default: `dense` if there are classifiers, otherwise `center`.
   */
  readonly protocol?: 'center' | 'dense';
  /** Test scales Q in pixels, for all models; `auto`: three for each model, from its S (default: each model's S). */
  readonly scales?: readonly number[] | 'auto';
  /** Test scales of each localization model, instead of `scales`. */
  readonly modelScales?: readonly (readonly number[])[];
  /** A CSV file of boxes or a folder of XML files (default: annotations near the images). */
  readonly boxes?: string;
  /** Default: see `evaluateModel`. */
  readonly split?: Split;
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  onNote?(note: string): void;
  onProgress?(done: number, total: number): void;
  /** Called once with the images that cannot be used, if there are any (default: the first is an error). */
  onBad?(images: readonly BadImage[]): void;
}

/** An error, as a fraction, with its 95 % interval. */
interface MeasuredError {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
}

export interface LocalizationResult {
  readonly protocol: 'center' | 'dense';
  readonly split?: MeasuredSplit;
  readonly images: number;
  /**
   * Protocol `center`: the fraction of the images whose box overlaps the true one too little (intersection over union of 0.5
   * or less). `dense`: the same for the most probable class, which must be the true one (top-1 localization error).
   */
  readonly error: MeasuredError;
  /** Protocol `dense`: the fraction without a right class and box among five guesses (the paper's localization error). */
  readonly top5Error?: MeasuredError;
  /** Protocol `dense`: the fraction without a right class among five. */
  readonly classificationTop5Error?: MeasuredError;
  /** Mean intersection over union of the box of the true class; with `dense` over the images that have it among their guesses. */
  readonly meanOverlap: number;
  /** All test scales Q in pixels, ascending. */
  readonly scales: readonly number[];
  readonly models: readonly string[];
  readonly classifiers: readonly string[];
  readonly seconds: number;
}

/**
 * Measures localization networks by the protocols of the paper's appendix A.
 * @throws UserError for data, boxes or models that cannot be used; UsageError for options that do not apply.
 * @example
 * const { top5Error } = await evaluateLocalization({
 *   data: 'ILSVRC',
 *   models: ['loc-256.safetensors', 'loc-384.safetensors'],
 *   classifiers: ['d.safetensors'],
 *   scales: [352, 384],
 * });
 */
export async function evaluateLocalization(options: LocalizationOptions): Promise<LocalizationResult> {
  const start = performance.now();
  const { models: paths, classifiers: others = [] } = options;
  const protocol = options.protocol ?? (others.length > 0 ? 'dense' : 'center');
  checkOptions(options, protocol);
  await checkOutputFolders(options);
  const opened = await openData(
    {
      data: options.data,
      split: options.split,
      labels: 'required',
      signal: options.signal,
      onNote: options.onNote,
    },
    (location, open) => {
      const { boxes, submission, onNote } = options;
      return openBoxes(location, { ...open, boxes, allBoxed: submission !== undefined, onNote });
    },
  );
  const read = { ...options.read, allowBoxes: true };
  const loaded = await loadModels([...paths, ...others], { ...options, read });
  const networks = loaded.map(classifierOf);
  try {
    const [localizers, classifiers] = [loaded.slice(0, paths.length), loaded.slice(paths.length)];
    checkKinds(localizers, classifiers);
    const chosen = await chooseImages(opened, loaded, alone);
    const first = (classifiers[0] ?? localizers[0])!;
    const { source } = chosen;
    const numbers = classNumbers(
      { path: source.location, classes: source.classes },
      { path: first.path, classes: first.facts.classes },
    );
    const scales = localizers.map(({ facts, path }, i) =>
      resolveScales(facts, options.modelScales?.[i] ?? options.scales, protocol, path),
    );
    const bad: BadImage[] = [];
    const shared = {
      maxPixels: options.maxPixels,
      colorProfiles: sharedColorProfiles(loaded.map(({ path, facts }) => ({ ...facts, path }))),
      signal: options.signal,
      onBad: options.onBad && ((image: BadImage) => void bad.push(image)),
    };
    const evaluation = { ...shared, options, source, numbers, bad };
    const measured =
      protocol === 'center'
        ? await measureCenter(evaluation, networks[0]!, localizers[0]!, scales[0]![0]!)
        : await measureDense(evaluation, networks, localizers, classifiers, scales);
    if (bad.length > 0) options.onBad?.(bad.sort((a, b) => a.index - b.index));
    return {
      protocol,
      split: chosen.split,
      ...measured,
      scales: [...new Set(scales.flat())].sort((a, b) => a - b),
      models: paths,
      classifiers: others,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    for (const network of networks) network.close();
    for (const { parameters } of loaded) parameters.dispose();
  }
}

interface Evaluation {
  readonly options: LocalizationOptions;
  readonly source: ImageSource;
  /** The first classifier's number of each class of the images; without one, the localizer's. */
  readonly numbers: Int32Array;
  readonly maxPixels?: number;
  readonly colorProfiles: ReturnType<typeof sharedColorProfiles>;
  readonly signal?: AbortSignal;
  readonly onBad?: (image: BadImage) => void;
  readonly bad: readonly BadImage[];
}

function classifierOf({ backend, parameters, facts }: LoadedModel): ImageClassifier {
  return new ImageClassifier({ ...facts, backend, parameters });
}

function checkOptions(options: LocalizationOptions, protocol: 'center' | 'dense'): void {
  const { models, classifiers = [], scales = [], submission, onBad } = options;
  const scaleCount = scales === 'auto' ? 3 : scales.length;
  if (models.length === 0) throw new UsageError('no model was given; name a localization model with --model');
  if (submission !== undefined && onBad) {
    throw new UsageError('a submission needs a line for each image; leave out --skip-bad');
  }
  if (protocol === 'dense') {
    if (classifiers.length > 0) return;
    throw new UsageError(
      'the protocol dense needs class scores; name a classification model with --classifier',
    );
  }
  const only = (count: number, what: string) =>
    count > 1 ? `the protocol center takes one ${what}; use --protocol dense with --classifier` : undefined;
  const fault =
    only(models.length, 'model') ??
    only(scaleCount, 'scale') ??
    (classifiers.length > 0
      ? 'the protocol center takes the true class; leave out --classifier'
      : undefined) ??
    (submission !== undefined ? 'a submission needs five classes; use --protocol dense' : undefined);
  if (fault !== undefined) throw new UsageError(fault);
}

function checkKinds(localizers: readonly LoadedModel[], classifiers: readonly LoadedModel[]): void {
  for (const { path, facts } of localizers) {
    if (facts.network.boxes) continue;
    throw new UserError(
      `${path} predicts classes, not boxes; name it with --classifier, or leave out --task localize`,
    );
  }
  for (const { path, facts } of classifiers) {
    if (!facts.network.boxes) continue;
    throw new UserError(`${path} predicts boxes, not classes; name it with --model`);
  }
}

async function measureCenter(
  { options, source, numbers, ...shared }: Evaluation,
  localizer: ImageClassifier,
  { facts }: LoadedModel,
  scale: number,
) {
  const boxes = await measureCenterBoxes({
    ...shared,
    ...{ localizer, images: source, numbers, scale },
    onProgress: options.onProgress,
  });
  checkSome(boxes.length, shared.bad);
  const { images, top1Error, meanOverlap } = boxErrors(boxes);
  const lines = boxes.map(
    ({ image, label, box }): LocalizedImage => ({ image, label, top: [{ index: label, box }] }),
  );
  await writeLocalizations(options, source, lines, facts.labels, []);
  return { images, error: measured(top1Error, images), meanOverlap };
}

async function measureDense(
  { options, source, numbers, ...shared }: Evaluation,
  networks: readonly ImageClassifier[],
  localizers: readonly LoadedModel[],
  classifiers: readonly LoadedModel[],
  scales: readonly (readonly number[])[],
) {
  const first = classifiers[0]!;
  const named = ({ path, facts }: LoadedModel) => ({ path, classes: facts.classes });
  const at = (model: LoadedModel, index: number) => ({
    classifier: networks[index]!,
    path: model.path,
    numbers: model === first ? undefined : matchClasses(named(first), named(model)),
  });
  const localizing: LocalizingNetworks = {
    localizers: localizers.map((model, i) => ({ ...at(model, i), scales: scales[i]! })),
    classifiers: classifiers.map((model, i) => at(model, localizers.length + i)),
  };
  const kitNumbers = options.submission === undefined ? [] : developmentKitNumbers(first.facts.classes);
  const found: LocalizedImage[] = [];
  const overlaps: {
    readonly top: readonly LocatedClass[];
    readonly label: number;
    readonly truths: readonly Box[];
  }[] = [];
  let pending: Promise<void>[] = [];
  const complete = async () => {
    for (const network of networks) network.flush();
    await Promise.all(pending);
    pending = [];
    options.onProgress?.(found.length, source.length);
  };
  for await (const image of loadForEvaluation(source, { ...shared, scales: scalesOf(localizing) })) {
    shared.signal?.throwIfAborted();
    const truths = source.boxes!(image.index, storedSize(image.scaled[0]!));
    const label = numbers[image.label]!;
    const done = locateClasses(localizing, image.scaled).then((top) => {
      found.push({ image: image.index, label, top });
      overlaps.push({ top, label, truths });
    });
    done.catch(() => {});
    pending.push(done);
    if (pending.length === CHUNK) await complete();
  }
  await complete();
  checkSome(found.length, shared.bad);
  found.sort((a, b) => a.image - b.image);
  await writeLocalizations(options, source, found, first.facts.labels, kitNumbers);
  return errorsOf(overlaps);
}

/** Images whose batches are computed together. */
const CHUNK = 32;

function errorsOf(
  images: readonly {
    readonly top: readonly LocatedClass[];
    readonly label: number;
    readonly truths: readonly Box[];
  }[],
) {
  const count = images.length;
  const isRight = ({ index, box }: LocatedClass, { label, truths }: (typeof images)[number]) =>
    index === label && bestOverlap(box, truths) > LEAST_OVERLAP;
  const share = (isWrong: (image: (typeof images)[number]) => boolean) =>
    measured(images.filter(isWrong).length / count, count);
  const named = images.flatMap(({ top, label, truths }) =>
    top.filter(({ index }) => index === label).map(({ box }) => bestOverlap(box, truths)),
  );
  return {
    images: count,
    error: share((image) => !isRight(image.top[0]!, image)),
    top5Error: share((image) => !image.top.some((guess) => isRight(guess, image))),
    classificationTop5Error: share(({ top, label }) => !top.some(({ index }) => index === label)),
    meanOverlap: named.length > 0 ? meanOf(named) : Number.NaN,
  };
}

function measured(value: number, images: number): MeasuredError {
  return { value, interval: errorInterval(value, images) };
}

function checkSome(images: number, bad: readonly BadImage[]): void {
  if (images > 0) return;
  throw new UserError(`no image could be used: ${bad[0]?.message ?? 'there are none'}`);
}
