/** Opens the images of a transfer: labeled ones of any data set, or PASCAL VOC's with several labels each. */
import { UsageError, UserError } from '../core/errors.ts';
import { holdOut } from '../data/sources/hold-out.ts';
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
  const { trainPerClass, testPerClass, splits = 1, seed = 1 } = options;
  const voc = await findVoc(data);
  if (voc !== undefined) return openVocImages(voc, options);
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
