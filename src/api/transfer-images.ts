/** Opens the images of a transfer: labeled ones of any data set, or PASCAL VOC's with several labels each. */
import { UsageError, UserError } from '../core/errors.ts';
import { holdOut, holdOutOfAll } from '../data/sources/hold-out.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import { relabelImages, selectImages } from '../data/sources/select-images.ts';
import { findVoc, openVoc, vocSets } from '../data/sources/voc.ts';
import { drawSplit } from '../evaluate/transfer/fit.ts';

export interface SplitOptions {
  /** Training images drawn of each class (default: all of the training split). */
  readonly trainPerClass?: number;
  /** Most test images drawn of each class (default: all others). */
  readonly testPerClass?: number;
  /** Number of random splits (default 1). */
  readonly splits?: number;
  /** Seed of the splits (default 1). */
  readonly seed?: number;
  /** What separates the labels of an image that has several: with `;`, `cat;dog` are two (default: one label each). */
  readonly labelSeparator?: string;
}

/** Images with targets, see `LinearProblem`. */
export interface TargetedImages {
  readonly source: ImageSource;
  readonly targets: Int8Array;
}

export interface TransferImages {
  readonly classes: readonly string[];
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
  /** What the test images are: a split of the data, or held out of undivided data. */
  readonly split: 'val' | 'test' | 'held-out';
  readonly pairs: readonly { readonly training: TargetedImages; readonly test: TargetedImages }[];
}

/** A fifth of undivided data is for the test. */
const TEST_SHARE = 0.2;

/** @throws UserError for data that cannot be used, UsageError for options that do not apply. */
export async function openTransferImages(data: string, options: SplitOptions): Promise<TransferImages> {
  const { trainPerClass, testPerClass, splits = 1, seed = 1, labelSeparator } = options;
  const voc = await findVoc(data);
  if (voc !== undefined) return openVocImages(voc, options);
  if (labelSeparator !== undefined) {
    if (trainPerClass ?? testPerClass ?? options.splits) {
      throw new UsageError(
        'images with several labels are not drawn by class; leave out --train-per-class, --test-per-class and --splits',
      );
    }
    return openSeveralLabels(data, labelSeparator, seed);
  }
  if (trainPerClass === undefined && (testPerClass !== undefined || splits !== 1)) {
    throw new UsageError(
      'random splits need the number of training images of each class: --train-per-class 30',
    );
  }
  const training = await openImages(data, { split: 'train' });
  const { classes, labels } = training;
  const facts = { classes, labels, isMultiLabel: false };
  if (training.split !== undefined && trainPerClass === undefined) {
    const test = await openImages(data, { split: 'test' });
    if (test.split === 'train')
      throw new UserError(`${data} has no test or validation images; add a test folder`);
    const pair = { training: targeted(training), test: targeted(sameClasses(test, training)) };
    return { ...facts, split: test.split === 'val' ? 'val' : 'test', pairs: [pair] };
  }
  const numbers = Int32Array.from({ length: training.length }, (_, image) => training.label(image));
  const pairs = Array.from({ length: splits }, (_, index) => {
    if (trainPerClass === undefined) {
      const parts = holdOut(numbers, TEST_SHARE, seed);
      if (!parts)
        throw new UserError(`${data} has no class with two images, so none can be tested; add more`);
      return { training: parts.training, test: parts.validation };
    }
    const drawn = drawSplit(numbers, trainPerClass, testPerClass, seed + index);
    if (typeof drawn !== 'number') return drawn;
    const count = numbers.filter((label) => label === drawn).length;
    throw new UserError(
      `${data}: class "${labels[drawn]}" has ${count} images, too few to draw ${trainPerClass} and test on others; lower --train-per-class`,
    );
  }).map(({ training: own, test }) => ({
    training: targeted(selectImages(training, own)),
    test: targeted(selectImages(training, test)),
  }));
  return { ...facts, split: 'held-out', pairs };
}

async function openVocImages(folder: string, options: SplitOptions): Promise<TransferImages> {
  if (options.labelSeparator !== undefined) {
    throw new UsageError(`${folder} lists the labels of each image; leave out --label-separator`);
  }
  if (options.trainPerClass ?? options.testPerClass ?? options.splits) {
    throw new UsageError(
      `${folder} has its own sets of images; leave out --train-per-class, --test-per-class and --splits`,
    );
  }
  const sets = await vocSets(folder);
  const isTest = sets.has('test');
  const training = await openVoc(folder, isTest && sets.has('trainval') ? 'trainval' : 'train');
  const test = await openVoc(folder, isTest ? 'test' : 'val');
  const { classes, labels } = training.source;
  if (classes.join() !== test.source.classes.join()) {
    throw new UserError(
      `${folder}: the lists of the training and the test images are of different classes; unpack the data again`,
    );
  }
  return { classes, labels, isMultiLabel: true, split: isTest ? 'test' : 'val', pairs: [{ training, test }] };
}

/** Images whose class names each list several labels. @throws UserError when no name does */
async function openSeveralLabels(data: string, separator: string, seed: number): Promise<TransferImages> {
  const training = await openImages(data, { split: 'train' });
  const labelsOf = ({ classes }: ImageSource) =>
    classes.map((name) => name.split(separator).flatMap((label) => label.trim() || []));
  const listed = labelsOf(training);
  if (!listed.some(({ length }) => length > 1)) {
    throw new UserError(
      `no label of ${data} contains the separator ${JSON.stringify(separator)}; name the right one, or leave out --label-separator`,
    );
  }
  const classes = [...new Set(listed.flat())].sort();
  const several = (source: ImageSource): TargetedImages => {
    const rows = labelsOf(source).map((labels) => {
      const unknown = labels.find((label) => !classes.includes(label));
      if (unknown === undefined) return classes.map((name) => (labels.includes(name) ? 1 : -1));
      throw new UserError(
        `${data}: only the test images have the label "${unknown}"; use the same labels in both`,
      );
    });
    const targets = Array.from({ length: source.length }, (_, image) => rows[source.label(image)]!);
    return { source, targets: Int8Array.from(targets.flat()) };
  };
  const facts = { classes, labels: classes, isMultiLabel: true };
  if (training.split !== undefined) {
    const test = await openImages(data, { split: 'test', exact: false });
    if (test.split === 'train') throw new UserError(`${data} has no test or validation images; add some`);
    const split = test.split === 'val' ? 'val' : 'test';
    return { ...facts, split, pairs: [{ training: several(training), test: several(test) }] };
  }
  const parts = holdOutOfAll(training.length, TEST_SHARE, seed);
  if (!parts) throw new UserError(`${data} has one image, so none can be tested; add more`);
  const [own, test] = [parts.training, parts.validation].map((part) => several(selectImages(training, part)));
  return { ...facts, split: 'held-out', pairs: [{ training: own!, test: test! }] };
}

function sameClasses(test: ImageSource, training: ImageSource): ImageSource {
  const unknown = test.classes.find((name) => !training.classes.includes(name));
  if (unknown === undefined) return relabelImages(test, training);
  throw new UserError(
    `${test.location}: only the test images have the class "${unknown}"; use the same classes in both`,
  );
}

function targeted(source: ImageSource): TargetedImages {
  const classes = source.classes.length;
  const targets = new Int8Array(source.length * classes).fill(-1);
  for (let image = 0; image < source.length; image++) targets[image * classes + source.label(image)] = 1;
  return { source, targets };
}
