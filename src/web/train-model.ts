/** Training in a browser: the trainer, the recipe and the schedule of `vgg train`, on the visitor's GPU and images. */
import { UserError } from '../core/errors.ts';
import { parseTrainScale, testScaleFor } from '../core/scale.ts';
import { Turn } from '../core/turn.ts';
import { Ensemble } from '../evaluate/ensemble.ts';
import { errorRates } from '../evaluate/error-rates.ts';
import { ImageClassifier } from '../evaluate/image-classifier.ts';
import { ImageResults, imageResultOf } from '../evaluate/image-results.ts';
import type { Gpu } from '../kernels/webgpu/gpu.ts';
import type { GpuParameters } from '../kernels/webgpu/gpu-parameters.ts';
import { initializeTensor } from '../net/initialization.ts';
import type { Metrics, StopReason } from '../train/metrics.ts';
import type { PartialRecipe, Recipe } from '../train/recipe.ts';
import { networkOf, resolveRecipe } from '../train/resolve-recipe.ts';
import { Trainer } from '../train/trainer.ts';
import type { TrainingProgress } from '../train/trainer-hooks.ts';
import type { TrainerState } from '../train/trainer-state.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { BestWeights } from './best-weights.ts';
import { type OpenDevice, openDevice } from './device.ts';
import { type LabeledImages, MemoryImages } from './memory-images.ts';
import { rescaled } from './pixels.ts';
import { type Part, readTrainingSet, type TrainingSet } from './training-set.ts';
import { WebModel } from './web-model.ts';

/** Any of the keys of a recipe file, but those that name other files. */
export type WebRecipe = Omit<PartialRecipe, 'from' | 'from-shallower' | 'from-convention' | 'backend'>;

export interface TrainOptions {
  /** They are taken one after the other, and shrunk to what training needs of them. */
  readonly images: LabeledImages;
  /** Default: a part of `images`, as the recipe's `holdout` says. */
  readonly validation?: LabeledImages;
  /** Default: the paper's, which is for large images and much time; see docs/guides/gpu.md for a small one. */
  readonly recipe?: WebRecipe;
  /** Names of classes for people, where they are not what `images` call them. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What the images are called in the model file. */
  readonly data?: string;
  /** When all images are there and training begins. */
  readonly onStart?: (start: TrainingStart) => void;
  /** Means over the last iterations (`log-every`), and validations. */
  readonly onMetrics?: (metrics: Metrics) => void;
  readonly onIteration?: (progress: TrainingProgress) => void;
  /** Ends training after the current iteration; the model so far is kept. */
  readonly signal?: AbortSignal;
  /** A device that is open already (default: the visitor's own is opened). */
  readonly gpu?: Gpu;
}

export interface TrainingStart {
  readonly facts: ModelFacts;
  readonly trainingImages: number;
  readonly validationImages: number;
  readonly totalIterations: number;
  /** The GPU, for people. */
  readonly device: string;
}

export interface WebTraining {
  readonly reason: StopReason;
  readonly iterations: number;
  /** The weights after the last iteration; `file` makes a model file of them. */
  readonly model: WebModel;
  /** Those of the lowest validation error; undefined where training ended before its first validation. */
  readonly best: BestModel | undefined;
  /** Frees the GPU's memory: whoever has the models calls it when they are done with. */
  close(): void;
}

export interface BestModel {
  readonly model: WebModel;
  /** After so many iterations. */
  readonly iteration: number;
  readonly top1Error: number;
}

/**
 * Trains a network from random weights.
 * @throws UserError when there is no GPU or it is lost, for images that make no training set, for a recipe that makes
 *   no sense, and when training diverges.
 */
export async function trainModel(options: TrainOptions): Promise<WebTraining> {
  const recipe = resolveRecipe({ ...options.recipe, backend: 'webgpu' });
  if (recipe.from !== undefined || recipe['from-shallower'] !== undefined) {
    throw new UserError(
      'a browser trains from random weights: leave from and from-shallower out of the recipe',
    );
  }
  const device = await openDevice(options.gpu);
  try {
    return await trainOn(device, options, recipe);
  } catch (error) {
    device.release();
    throw error;
  }
}

async function trainOn(device: OpenDevice, options: TrainOptions, recipe: Recipe): Promise<WebTraining> {
  const set = await readTrainingSet(options.images, options.validation, recipe);
  const network = networkOf(recipe, set.classes.length);
  const facts: ModelFacts = {
    network,
    classes: set.classes,
    labels: set.classes.map((one) => options.labels?.[one] ?? one),
    meanRgb: set.colors.mean(),
    trainScale: parseTrainScale(recipe.scale),
    provenance: {
      createdBy: 'verydeep in a browser',
      data: options.data ?? 'images in a browser',
      // JSON is YAML, as recipe files are.
      recipe: JSON.stringify(recipe),
    },
  };
  const parameters = device.backend.createParameters(network.parameters, { training: true });
  try {
    return await train({ options, recipe, device, set, facts, parameters });
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}

interface Run {
  readonly options: TrainOptions;
  readonly recipe: Recipe;
  readonly device: OpenDevice;
  readonly set: TrainingSet;
  readonly facts: ModelFacts;
  readonly parameters: GpuParameters;
}

async function train(run: Run): Promise<WebTraining> {
  const { options, recipe, device, set, facts, parameters } = run;
  const { backend } = device;
  const { network, meanRgb } = facts;
  const initialization = { method: recipe.init, std: recipe['init-std'], seed: recipe.seed };
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
    return { reason, iterations: trainer.state.iteration, ...modelsOf(run, best, trainer.state.best) };
  } catch (error) {
    best.dispose();
    throw error;
  } finally {
    classifier.close();
  }
}

function modelsOf(
  { device: { backend, release }, facts, parameters }: Run,
  { kept }: BestWeights,
  validated: TrainerState['best'],
): Pick<WebTraining, 'model' | 'best' | 'close'> {
  const model = new WebModel({ backend, facts, parameters, name: 'the last model' });
  const best =
    kept && validated
      ? { model: new WebModel({ backend, facts, parameters: kept, name: 'the best model' }), ...validated }
      : undefined;
  const close = () => {
    model.close();
    best?.model.close();
    release();
  };
  return { model, best, close };
}

/** Center crops at the test scale that belongs to S, as `vgg train` validates. */
async function validate(classifier: ImageClassifier, { images, labels }: Part, recipe: Recipe) {
  const scale = testScaleFor(parseTrainScale(recipe.scale));
  const ensemble = new Ensemble([{ classifier, scales: [scale] }], { protocol: 'center' });
  const results = new ImageResults(images.length, classifier.network.classes);
  const turn = new Turn();
  const classified: Promise<void>[] = [];
  for (const [i, image] of images.entries()) {
    await turn.giveWay();
    const one = ensemble.classify([rescaled(image, scale)]).then(({ posteriors }) => {
      results.set(imageResultOf(i, labels[i]!, posteriors));
    });
    // Awaited below; a failure while others have their turn must not count as unhandled.
    one.catch(() => {});
    classified.push(one);
  }
  ensemble.flush();
  await Promise.all(classified);
  return errorRates(results);
}
