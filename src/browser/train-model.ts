/** Trains in a browser: the trainer, recipe and schedule of `vgg train` on the visitor's device and images. */
import { UserError } from '../core/errors.ts';
import { EventLoopTurn } from '../core/event-loop-turn.ts';
import { parseTrainScale, testScaleFor } from '../core/scale.ts';
import { inputDeviation } from '../data/training/color-shift.ts';
import { Ensemble } from '../evaluate/inference/ensemble.ts';
import { ImageClassifier } from '../evaluate/inference/image-classifier.ts';
import { errorRates } from '../evaluate/results/error-rates.ts';
import { ImageResults, imageResultOf } from '../evaluate/results/image-results.ts';
import type { Parameters } from '../kernels/backend.ts';
import { initializeTensor } from '../net/initialization.ts';
import type { Metrics, StopReason } from '../train/metrics.ts';
import type { PartialRecipe, Recipe } from '../train/recipe.ts';
import { networkOf, resolveRecipe } from '../train/resolve-recipe.ts';
import { Trainer } from '../train/trainer.ts';
import type { TrainingProgress } from '../train/trainer-hooks.ts';
import type { TrainerState } from '../train/trainer-state.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { BestWeights } from './best-weights.ts';
import { type LabeledImages, MemoryImages } from './memory-images.ts';
import { type DeviceOptions, type OpenDevice, openDevice } from './open-device.ts';
import { rescaled } from './pixels.ts';
import { WebModel } from './web-model.ts';
import { type ImageSubset, readWebTrainingSet, type WebTrainingSet } from './web-training-set.ts';

/** Keys of a recipe file, except those that name other files or choose what computes. */
export type WebRecipe = Omit<
  PartialRecipe,
  'from' | 'from-shallower' | 'from-convention' | 'backend' | 'threads' | 'precision'
>;

export interface TrainOptions extends DeviceOptions {
  /** Training images. They are read one after another and kept at the size that training needs. */
  readonly images: LabeledImages;
  /** Validation images of the same classes (default: the part of `images` that the recipe's `holdout` sets aside). */
  readonly validation?: LabeledImages;
  /** Default: the paper's recipe, for large images and long training; docs/guides/gpu.md has one for small images. */
  readonly recipe?: WebRecipe;
  /** Display names of classes by identifier (default: the identifier). */
  readonly labels?: Readonly<Record<string, string>>;
  /** Name of the images, for the model file (default: `images in a browser`). */
  readonly data?: string;
  /** Called when all images are decoded and training begins. */
  readonly onStart?: (start: TrainingStart) => void;
  /** Called with means over the last iterations (every `log-every` of the recipe), and after each validation. */
  readonly onMetrics?: (metrics: Metrics) => void;
  /** Called after each iteration. */
  readonly onIteration?: (progress: TrainingProgress) => void;
  /** Stops training after the current iteration; the model so far is kept. */
  readonly signal?: AbortSignal;
}

export interface TrainingStart {
  /** The network, its classes and the mean color. */
  readonly facts: ModelFacts;
  /** Number of training images. */
  readonly trainingImages: number;
  /** Number of validation images, given or held out. */
  readonly validationImages: number;
  /** Planned number of SGD steps. */
  readonly totalIterations: number;
  /** Human-readable description of what computes: the GPU, or the kernels on the CPU. */
  readonly device: string;
}

/** The result of training. Call `close` to free its models' memory. */
export interface WebTraining {
  /** Why training ended; `interrupted` means that the signal was aborted. */
  readonly reason: StopReason;
  /** SGD steps completed. */
  readonly iterations: number;
  /** The model after the last iteration. */
  readonly model: WebModel;
  /** The model with the lowest validation error; undefined when training ended before its first validation. */
  readonly best?: BestModel;
  /** Frees the models' memory; the models can no longer be used. */
  close(): void;
}

export interface BestModel {
  /** The model at this validation. */
  readonly model: WebModel;
  /** SGD steps before this validation. */
  readonly iteration: number;
  /** Top-1 error as a fraction of the validation images. */
  readonly top1Error: number;
}

/**
 * Trains a network from random weights, as `vgg train` does.
 * @throws UserError when nothing can compute or the device is lost, the images or the recipe are not usable, or training diverges
 * @example
 * const { images } = await (await fetch('/photos.json')).json(); // [{ address, label }]
 * async function* labeled() {
 *   for (const { address, label } of images) {
 *     yield { image: await createImageBitmap(await (await fetch(address)).blob(), { colorSpaceConversion: 'none' }), label };
 *   }
 * }
 * const recipe = { config: 'A', width: 0.1, crop: 32, scale: 36, batch: 16, epochs: 5, lr: 0.005 };
 * const training = await trainModel({
 *   images: labeled(),
 *   recipe,
 *   onMetrics: ({ kind, epoch, loss }) => console.log(kind, epoch, loss),
 * });
 * const file = await training.model.file();
 * training.close();
 */
export async function trainModel(options: TrainOptions): Promise<WebTraining> {
  checkRecipe({ ...options.recipe });
  const device = await openDevice(options);
  let parameters: Parameters | undefined;
  try {
    const recipe = resolveRecipe({ ...options.recipe, backend: device.name });
    const set = await readWebTrainingSet(options.images, options.validation, recipe);
    const facts = factsOf(options, recipe, set);
    parameters = device.backend.createParameters(facts.network.parameters, { training: true });
    return await train({ options, recipe, device, set, facts, parameters });
  } catch (error) {
    parameters?.dispose();
    device.release();
    throw error;
  }
}

/** @throws UserError for a recipe that is invalid, or that training in a browser would ignore */
function checkRecipe(given: PartialRecipe): void {
  const { from, 'from-shallower': shallower, task } = resolveRecipe({ ...given, backend: 'webgpu' });
  if (task === 'localize') {
    throw new UserError('training in a browser has images without boxes: remove task from the recipe');
  }
  if (from !== undefined || shallower !== undefined) {
    throw new UserError(
      'training in a browser starts from random weights: remove from and from-shallower from the recipe',
    );
  }
  const unread = (['class-weights', 'lr-scale', 'threads', 'precision'] as const).find(
    (key) => given[key] !== undefined,
  );
  if (!unread) return;
  const remedy = unread in DEVICE_REMEDIES ? `, and ${DEVICE_REMEDIES[unread]!}` : '';
  throw new UserError(`training in a browser does not support ${unread}: remove it from the recipe${remedy}`);
}

const DEVICE_REMEDIES: Readonly<Record<string, string>> = {
  threads: "give trainModel threads with backend: 'wasm'",
  precision: 'give trainModel a gpu that was opened with this precision',
};

function factsOf(
  options: TrainOptions,
  recipe: Recipe,
  { classes, colors, validation }: WebTrainingSet,
): ModelFacts {
  return {
    network: networkOf(recipe, classes.length),
    classes,
    labels: classes.map((one) => options.labels?.[one] ?? one),
    meanRgb: colors.mean(),
    trainScale: parseTrainScale(recipe.scale),
    colorProfiles: recipe['color-profiles'],
    validation: { split: options.validation ? 'val' : 'held-out', images: validation.images.length },
    provenance: {
      createdBy: 'verydeep in a browser',
      data: options.data ?? 'images in a browser',
      // JSON is YAML, as recipe files are.
      recipe: JSON.stringify(recipe),
    },
  };
}

interface PreparedTraining {
  readonly options: TrainOptions;
  readonly recipe: Recipe;
  readonly device: OpenDevice;
  readonly set: WebTrainingSet;
  readonly facts: ModelFacts;
  readonly parameters: Parameters;
}

async function train(prepared: PreparedTraining): Promise<WebTraining> {
  const { options, recipe, device, set, facts, parameters } = prepared;
  const { backend } = device;
  const { network, meanRgb } = facts;
  const initialization = {
    method: recipe.init,
    std: recipe['init-std'],
    inputStd: inputDeviation(set.colors.axes()),
    seed: recipe.seed,
  };
  for (const { name } of network.parameters) {
    await parameters.write('values', name, initializeTensor(network, name, initialization));
  }
  const { images, labels } = set.training;
  const classifier = new ImageClassifier({ backend, network, parameters, meanRgb });
  const best = new BestWeights(backend, parameters);
  const trainer = new Trainer({
    recipe,
    network,
    backend,
    parameters,
    data: new MemoryImages(images, labels, meanRgb, {
      seed: recipe.seed,
      crop: recipe.crop,
      scale: parseTrainScale(recipe.scale),
      randomCrop: recipe['random-crop'],
      flip: recipe.flip,
      colorShift: recipe['color-shift'] ? set.colors.axes() : undefined,
    }),
    hooks: {
      validate: () => validate(classifier, set.validation, recipe),
      onIteration: (progress) => options.onIteration?.(progress),
      onMetrics: async (metrics) => options.onMetrics?.(metrics),
      onBest: async () => best.keep(),
      onCheckpoint: async () => {},
    },
    signal: options.signal,
  });
  options.onStart?.({
    facts,
    trainingImages: images.length,
    validationImages: set.validation.images.length,
    totalIterations: trainer.totalIterations,
    device: backend.description,
  });
  try {
    const reason = await trainer.run();
    return { reason, iterations: trainer.state.iteration, ...modelsOf(prepared, best, trainer.state.best) };
  } catch (error) {
    best.dispose();
    throw error;
  } finally {
    classifier.close();
  }
}

function modelsOf(
  { device, facts, parameters }: PreparedTraining,
  { kept }: BestWeights,
  validated: TrainerState['best'],
): Pick<WebTraining, 'model' | 'best' | 'close'> {
  const model = new WebModel({ device, facts, parameters, name: 'the last model' });
  const best =
    kept && validated
      ? { model: new WebModel({ device, facts, parameters: kept, name: 'the best model' }), ...validated }
      : undefined;
  const close = () => {
    model.close();
    best?.model.close();
    device.release();
  };
  return { model, best, close };
}

/** Center crops at the test scale that matches S, as `vgg train` validates. */
async function validate(classifier: ImageClassifier, { images, labels }: ImageSubset, recipe: Recipe) {
  const scale = testScaleFor(parseTrainScale(recipe.scale));
  const ensemble = new Ensemble([{ classifier, scales: [scale] }], { protocol: 'center' });
  const results = new ImageResults(images.length, classifier.network.classes);
  const turn = new EventLoopTurn();
  const classified: Promise<void>[] = [];
  for (const [i, image] of images.entries()) {
    await turn.yieldIfDue();
    const one = ensemble.classify([rescaled(image, scale)]).then(({ posteriors }) => {
      results.set(imageResultOf(i, labels[i]!, posteriors));
    });
    // Awaited below; until then a failure must not count as unhandled.
    one.catch(() => {});
    classified.push(one);
  }
  ensemble.flush();
  await Promise.all(classified);
  return errorRates(results);
}
