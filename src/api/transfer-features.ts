/** Transfers networks to other images (paper, appendix B): descriptors, and a linear classifier on them. */
import { basename, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { errorInterval } from '../core/guessing.ts';
import { parameterSpecs } from '../core/layer.ts';
import { version } from '../core/project.ts';
import { deviationOf, meanOf } from '../core/statistics.ts';
import { type BadImage, badImagesError } from '../data/sources/bad-images.ts';
import { fingerprintImages, packFingerprints } from '../data/sources/image-fingerprints.ts';
import { selectImages } from '../data/sources/select-images.ts';
import { combineDescriptors, describeImages, normOf } from '../evaluate/features/descriptors.ts';
import { layersUpTo } from '../evaluate/features/feature-layers.ts';
import { type EngineOptions, type LoadedModel, loadModel } from '../evaluate/inference/load-model.ts';
import { scalesFor } from '../evaluate/protocol/test-scales.ts';
import { type Fitted, fitClassifier } from '../evaluate/transfer/fit.ts';
import { descriptorLayer, headTensors, networkWithHead } from '../evaluate/transfer/linear-head.ts';
import type { LinearKind } from '../evaluate/transfer/linear-problem.ts';
import { linearScores } from '../evaluate/transfer/linear-svm.ts';
import {
  bootstrapped,
  decisions,
  type Measured,
  meanAveragePrecision,
  meanClassRecall,
  type Scored,
} from '../evaluate/transfer/measures.ts';
import { openBackend } from '../kernels/registry.ts';
import { writeModel } from '../weights/model/write-model.ts';
import {
  openTransferImages,
  type SplitOptions,
  type TargetedImages,
  type TransferImages,
} from './transfer-images.ts';

export interface TransferOptions extends EngineOptions, SplitOptions {
  /** Location of the images: any labeled data set (see `openImages`), or PASCAL VOC's folder. */
  readonly data: string;
  /** Model files of any format. The descriptors of several models are stacked. */
  readonly models: readonly string[];
  /** Layer of the descriptors (default: the last hidden one, fc7 in the paper's networks). */
  readonly layer?: string;
  /** Values of Q in pixels (default: the scale at which the model is tested). */
  readonly scales?: readonly number[];
  /** How the descriptors of several scales become one vector (default `average`). */
  readonly aggregate?: 'average' | 'stack';
  /** What separates each class from the rest: a linear SVM (default), or logistic regression. */
  readonly classifier?: LinearKind;
  /** Model file to write (default: none). Needs one model, and scales that are averaged. */
  readonly out?: string;
  /** Images with more pixels are rejected (default 100 million). */
  readonly maxPixels?: number;
  /** Folder that keeps descriptors between runs (default: the user's cache folder). */
  readonly cacheFolder?: string;
  readonly signal?: AbortSignal;
  /** Called once with the images that cannot be used, if there are any; they are left out (default: the first is an error). */
  onBad?(images: readonly BadImage[]): void;
  /** Called with the number of images described, over all models. */
  onProgress?(done: number, total: number): void;
}

/** The figures of one split, as fractions. */
export interface TransferFigures {
  readonly trainingImages: number;
  readonly testImages: number;
  /** The SVM's constant C. */
  readonly constant: number;
  /** Unless images have several labels. */
  readonly accuracy?: Measured;
  readonly meanClassRecall?: Measured;
  /** If images have several labels: VOC's mean average precision by the rule of 2007, and by that of 2010 and later. */
  readonly elevenPoint?: Measured;
  readonly allPoint?: Measured;
}

export interface TransferResult {
  readonly layer: string;
  readonly scales: readonly number[];
  readonly classes: readonly string[];
  readonly split: TransferImages['split'];
  readonly splits: readonly TransferFigures[];
  /** Over several random splits: mean and standard deviation of the mean class recall. */
  readonly recall?: { readonly mean: number; readonly deviation: number };
  /** The model file that was written, and its accuracy: that of the first split's classifier without the division of each descriptor by its length. */
  readonly model?: { readonly path: string; readonly accuracy?: number };
}

/**
 * Trains linear SVMs on the descriptors of a network whose weights stay as they are, and measures them on test images.
 * @throws UserError for images or models that cannot be used; UsageError for options that do not apply.
 * @example
 * const { splits } = await transferFeatures({ data: 'flowers', models: ['vgg-d.safetensors'], scales: [256, 384] });
 * console.log(splits[0]!.meanClassRecall); // { value: 0.93, interval: [0.91, 0.95] }
 */
export async function transferFeatures(options: TransferOptions): Promise<TransferResult> {
  const { data, models: paths, aggregate = 'average', out } = options;
  if (
    out !== undefined &&
    (paths.length > 1 || (aggregate === 'stack' && (options.scales?.length ?? 1) > 1))
  ) {
    throw new UsageError(
      'a model file holds one network, so it needs one model and averaged scales; leave out --out',
    );
  }
  const images = await openTransferImages(data, options);
  const backend = await openBackend(options.backend, options);
  const loaded: LoadedModel[] = [];
  try {
    for (const path of paths) {
      const read = { ...options.read, allowFeatures: true, colorProfiles: options.colorProfiles };
      loaded.push(
        await loadModel(backend, path, read, (network) =>
          parameterSpecs(layersUpTo(path, network, options.layer ?? descriptorLayer(network))),
        ),
      );
    }
    const [first] = loaded as [LoadedModel];
    const layer = options.layer ?? descriptorLayer(first.facts.network);
    const scales = options.scales ?? scalesFor(first.facts, undefined, first.path);
    const network =
      out === undefined ? undefined : networkWithHead(first.facts.network, layer, images.classes.length);
    const all = images.pairs.flatMap(({ training, test }) => [training, test]);
    const total = loaded.length * all.reduce((sum, { source }) => sum + source.length, 0);
    let done = 0;
    const onImage = () => options.onProgress?.(++done, total);
    const bad = new Map<string, BadImage>();
    const describe = async ({ source, targets }: TargetedImages): Promise<Described> => {
      const onBad =
        options.onBad && ((image: BadImage) => void bad.set(source.imageName(image.index), image));
      const each: (Float32Array[] | undefined)[][] = [];
      for (const model of loaded) {
        const own = options.layer ?? descriptorLayer(model.facts.network);
        each.push(await describeImages(source, model, { ...options, layer: own, scales, onImage, onBad }));
      }
      const good = Uint32Array.from(new Uint32Array(source.length).keys()).filter((n) =>
        each.every((model) => model[n]),
      );
      if (good.length === 0) throw badImagesError([...bad.values()], source.length, ` of ${source.location}`);
      const classes = images.classes.length;
      return {
        source: good.length < source.length ? selectImages(source, good) : source,
        targets: Int8Array.from(
          { length: good.length * classes },
          (_, i) => targets[good[Math.floor(i / classes)]! * classes + (i % classes)]!,
        ),
        vectors: Array.from(good, (n) =>
          combineDescriptors(
            each.map((model) => model[n]!),
            aggregate,
          ),
        ),
      };
    };
    const splits: TransferFigures[] = [];
    let model: TransferResult['model'];
    for (const [index, { training, test }] of images.pairs.entries()) {
      const own = await describe(training);
      const tested = await describe(test);
      const { vectors } = own;
      const { vectors: testVectors } = tested;
      const classes = images.classes.length;
      const problem = { vectors: vectors.map(normalized), targets: own.targets, classes };
      const fitted = fitClassifier(problem, images.isMultiLabel, options.seed ?? 1, options.classifier);
      const scores = linearScores(fitted.classifier, testVectors.map(normalized));
      splits.push({
        trainingImages: vectors.length,
        testImages: testVectors.length,
        constant: fitted.constant,
        ...figuresOf({ scores, targets: tested.targets, classes }, images.isMultiLabel),
      });
      if (index > 0 || !network) continue;
      const norm = meanOf(vectors.map(normOf));
      await writeHead({
        options,
        images,
        layer,
        scales,
        model: first,
        network,
        fitted,
        norm,
        training: own,
        tested,
      });
      const plain = linearScores(
        fitted.classifier,
        testVectors.map((vector) => vector.map((v) => v / norm)),
      );
      const decided = decisions({ scores: plain, targets: tested.targets, classes });
      model = { path: out!, accuracy: images.isMultiLabel ? undefined : shareRight(decided) };
    }
    if (bad.size > 0) options.onBad?.([...bad.values()]);
    const recalls = splits.flatMap(({ meanClassRecall: recall }) => recall?.value ?? []);
    return {
      ...{ layer, scales, classes: images.classes, split: images.split, splits, model },
      recall: recalls.length > 1 ? { mean: meanOf(recalls), deviation: deviationOf(recalls) } : undefined,
    };
  } finally {
    for (const { parameters } of loaded) parameters.dispose();
  }
}

/** Images with their descriptors; those that cannot be used are left out. */
interface Described extends TargetedImages {
  /** `[N][D]` */
  readonly vectors: readonly Float32Array[];
}

function normalized(vector: Float32Array): Float32Array {
  const norm = normOf(vector);
  return norm === 0 ? vector : vector.map((value) => value / norm);
}

function shareRight(decided: ReturnType<typeof decisions>): number {
  return decided.filter(({ predicted, label }) => predicted === label).length / decided.length;
}

/** Resamples for the interval of the mean average precision, which takes longer than the others. */
const PRECISION_RESAMPLES = 200;

function figuresOf(scored: Scored, isMultiLabel: boolean) {
  const count = scored.scores.length / scored.classes;
  if (isMultiLabel) {
    const images = [[...Array(count).keys()]];
    const precision = (rule: 'eleven-point' | 'all-point') =>
      bootstrapped(images, (chosen) => meanAveragePrecision(scored, rule, chosen), PRECISION_RESAMPLES);
    return { elevenPoint: precision('eleven-point'), allPoint: precision('all-point') };
  }
  const decided = decisions(scored);
  const accuracy = shareRight(decided);
  const byClass = Array.from({ length: scored.classes }, (_, k) =>
    [...decided.keys()].filter((n) => decided[n]!.label === k),
  ).filter(({ length }) => length > 0);
  return {
    accuracy: { value: accuracy, interval: errorInterval(accuracy, count) },
    meanClassRecall: bootstrapped(byClass, (chosen) => meanClassRecall(chosen.map((n) => decided[n]!))),
  };
}

interface WrittenHead {
  readonly options: TransferOptions;
  readonly images: TransferImages;
  readonly layer: string;
  readonly scales: readonly number[];
  readonly model: LoadedModel;
  readonly network: ReturnType<typeof networkWithHead>;
  readonly fitted: Fitted;
  readonly norm: number;
  readonly training: TargetedImages;
  readonly tested: TargetedImages;
}

async function writeHead(head: WrittenHead): Promise<void> {
  const { options, images, layer, scales, model, network, fitted, norm, training, tested } = head;
  const tensors = new Map<string, Float32Array>();
  const { weight, bias } = headTensors(fitted.classifier, norm, fitted.factor);
  const last = network.parameters.slice(-2).map(({ name }) => name);
  for (const { name } of network.parameters.slice(0, -2)) {
    tensors.set(name, await model.parameters.read('values', name));
  }
  tensors.set(last[0]!, weight);
  tensors.set(last[1]!, bias);
  const fingerprints =
    images.split === 'held-out'
      ? await fingerprintImages(training.source, { signal: options.signal })
      : undefined;
  const { meanRgb, colorProfiles, license } = model.facts;
  await writeModel(options.out!, {
    network,
    tensors,
    classes: images.classes,
    labels: images.labels,
    ...{ meanRgb, colorProfiles, license },
    trainScale: { min: Math.min(...scales), max: Math.max(...scales) },
    validation: {
      split: images.split,
      images: tested.source.length,
      trainedOn: fingerprints && packFingerprints(fingerprints),
    },
    provenance: {
      createdBy: `verydeep ${version}`,
      method: `${options.classifier === 'logistic' ? 'logistic regression' : 'linear SVM'} (C = ${fitted.constant}) on ${layer} of ${basename(model.path)}`,
      data: basename(resolve(options.data)),
    },
  });
}
