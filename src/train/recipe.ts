/**
 * Every ingredient of training (section 3.1) as one schema. The keys of a recipe file are the names of the command
 * line's flags, and the defaults are the paper's; without a recipe file `vgg train` replaces some (data-defaults.ts). Help
 * and reference show each key's metadata.
 */
import { z } from 'zod';
import { exchangeTypes } from '../comm/communicator.ts';
import { regressions } from '../core/boxes.ts';
import { colorProfileModes } from '../core/image-preparation.ts';
import { parseTrainScale } from '../core/scale.ts';
import { DEFAULT_MAX_PIXELS } from '../data/pixels/image-formats.ts';
import { givenMean } from '../data/training/given-mean.ts';
import { backendNames, precisions } from '../kernels/backend-options.ts';
import { parseHeadPool, parseHidden } from '../net/classifier.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { initializationMethods } from '../net/initialization.ts';
import { conventionNames } from '../weights/import/preprocessing.ts';
import { parseRateFactors } from './layer-rates.ts';

/** What a network learns: classes, or boxes (appendix A). */
export const tasks = ['classify', 'localize'] as const;

const number = z.coerce.number();
const positive = number.positive();
const count = number.int().positive();
const whole = number.int().min(0);
const fraction = number.min(0).lt(1);
const flag = z.boolean();

/** A point in training: `10` (iterations) or `6e`, `0.5e` (epochs). */
const MOMENT = /^\d+(\.\d+e|e)?$/;

/** Text or a number: YAML reads `scale: 256` as a number. */
function text(isValid: (text: string) => boolean, fault: string) {
  return z.union([z.string(), z.number()]).transform(String).refine(isValid, fault);
}

interface KeyMetadata {
  readonly description: string;
  /** Value name in the help: `--lr <rate>`. Keys without one have choices or are switches. */
  readonly value?: string;
  /** Whether a resumed run may change it: the weights do not depend on it. */
  readonly resumable?: true;
}

export const recipeSchema = z.strictObject({
  config: z
    .enum(configurationNames as [ConfigurationName, ...ConfigurationName[]])
    .default('A')
    .meta({ description: 'network configuration of Table 1' }),
  width: positive
    .max(16)
    .default(1)
    .meta({ value: 'factor', description: 'multiplier for the channels of every hidden layer' }),
  crop: count
    .multipleOf(32)
    .default(224)
    .meta({ value: 'pixels', description: 'side of the training crop, a multiple of 32' }),
  pooling: z
    .enum(['floor', 'ceil'])
    .default('floor')
    .meta({ description: 'rounding of odd sizes in max pooling: floor as in PyTorch, ceil as in Caffe' }),
  scale: text(isScale, 'must be a number such as 256 or a range such as 256..512').default('256').meta({
    value: 'pixels',
    description:
      'training scale S, the smaller side of the rescaled image: fixed (256) or drawn from a range (256..512)',
  }),
  batch: count.default(256).meta({ value: 'n', description: 'images per SGD step (batch size)' }),
  'micro-batch': count.optional().meta({
    value: 'n',
    description:
      "images computed at a time; their gradients add up to the batch's (default: as many as fit 4 GiB)",
  }),
  lr: positive.default(0.01).meta({ value: 'rate', description: 'initial learning rate' }),
  'lr-reference-batch': count.optional().meta({
    value: 'n',
    description: 'batch size that lr is meant for: multiplies the rate by batch / n (beyond the paper)',
  }),
  warmup: text(isMoment, 'must be a number of iterations (500) or epochs (5e)').optional().meta({
    value: 'length',
    description:
      'length of a linear warm-up in iterations (500) or epochs (5e); it starts at lr if lr-reference-batch raises the rate, otherwise at 0 (beyond the paper)',
  }),
  'lr-factor': number
    .gt(1)
    .default(10)
    .meta({ value: 'factor', description: 'divisor of the learning rate at each drop' }),
  'lr-drops': whole.default(3).meta({
    value: 'n',
    description: 'number of learning-rate drops at plateaus; the next plateau ends training',
  }),
  patience: count
    .default(5)
    .meta({ value: 'n', description: 'validations in a row without a lower error that count as a plateau' }),
  'lr-drop-at': text(
    (list) => list.split(',').every(isMoment),
    'must be a list of iterations (10,20) or epochs (6e,8e)',
  )
    .optional()
    .meta({
      value: 'list',
      description: 'drop the rate at these iterations (10,20) or epochs (6e,8e) instead of at plateaus',
    }),
  epochs: positive.default(74).meta({ value: 'n', description: 'maximum number of epochs', resumable: true }),
  iterations: count
    .optional()
    .meta({ value: 'n', description: 'maximum number of SGD steps, instead of epochs', resumable: true }),
  momentum: fraction.default(0.9).meta({ value: 'fraction', description: 'momentum of SGD' }),
  'weight-decay': number
    .min(0)
    .default(5e-4)
    .meta({ value: 'factor', description: 'multiplier of the L2 penalty on weights' }),
  'bias-decay': number
    .min(0)
    .default(0)
    .meta({ value: 'factor', description: 'multiplier of the L2 penalty on biases' }),
  hidden: text((list) => parseHidden(list) !== null, 'must be a list of units such as 4096,4096 or none')
    .optional()
    .meta({
      value: 'list',
      description:
        "units of the fully connected layers before the last, such as 256 or 512,128; none: the last alone (default: the paper's 4096,4096, times width)",
    }),
  'head-pool': text(
    (kind) => parseHeadPool(kind) !== null,
    'must be none, average, max or average-k such as average-7',
  )
    .default('none')
    .meta({
      value: 'kind',
      description:
        'pooling of the last map before the fully connected layers (beyond the paper): none, average or max (global), or average-k (to k×k)',
    }),
  dropout: fraction.default(0.5).meta({
    value: 'fraction',
    description: 'dropout ratio of the hidden fully connected layers (fc6 and fc7)',
  }),
  'random-crop': flag.default(true).meta({
    description: 'crop each image at a new random position in each epoch, instead of at the center',
  }),
  flip: flag.default(true).meta({ description: 'random horizontal flips' }),
  'color-shift': flag
    .default(true)
    .meta({ description: 'random RGB shifts along the principal components of the training set' }),
  mean: text(
    (mean) => mean === 'dataset' || givenMean(mean) !== undefined,
    'must be dataset, ilsvrc or three numbers from 0 to 255 such as 123.68,116.779,103.939',
  )
    .optional()
    .meta({
      value: 'rgb',
      description:
        "mean RGB that is subtracted from every pixel: dataset (the training images'), ilsvrc (the authors') or three numbers (default: dataset, or with from that of its model); given with color-axes, it saves decoding all images before training",
    }),
  'color-axes': z.string().optional().meta({
    value: 'file',
    description:
      'principal components for color-shift: ilsvrc (published) or a JSON file such as the data.json.gz of a run (default: those of the training images)',
  }),
  shuffle: flag.default(true).meta({ description: 'shuffle the images in each epoch' }),
  init: z
    .enum(initializationMethods)
    .default('glorot')
    .meta({ description: 'initialization of the weights; biases start at 0' }),
  'init-std': positive
    .default(0.01)
    .meta({ value: 'std', description: 'standard deviation of the Gaussian initialization' }),
  from: z.string().optional().meta({
    value: 'models',
    description:
      'start from all layers of this model (a file, torchvision/vgg16, hf:OWNER/REPOSITORY or https://…), or of the average of several: a.safetensors,b.safetensors',
  }),
  'from-shallower': z.string().optional().meta({
    value: 'file',
    description:
      'start from the first four convolutional layers and the fully connected layers of this model (section 3.1)',
  }),
  'from-convention': z.enum(conventionNames).optional().meta({
    description:
      'preprocessing that the model in from or from-shallower expects, if its file does not record it',
  }),
  'from-features-only': flag.default(false).meta({
    description:
      'take only the convolutions of the model in from, for another crop; the fully connected layers are new',
  }),
  freeze: z.string().optional().meta({
    value: 'layers',
    description:
      'layers of the model in from that keep their weights: conv1_1..conv3_3, features, all-but-fc8, or a list; those before the first trained layer cost no backward pass and have no dropout (beyond the paper)',
  }),
  'lr-scale': text(
    (list) => parseRateFactors(list) !== undefined,
    'must be a list such as fc8=10,features=0.1',
  )
    .optional()
    .meta({
      value: 'list',
      description:
        'factors on the learning rate of single layers, such as fc8=10,features=0.1 (beyond the paper)',
    }),
  'class-weights': z.string().optional().meta({
    value: 'weights',
    description:
      "weights of the classes in the training loss: balanced (all classes count the same, whatever their number of images) or a YAML file of each class's weight (beyond the paper)",
  }),
  'label-smoothing': fraction.default(0).meta({
    value: 'fraction',
    description:
      "share of each label's probability that is spread evenly over all classes (beyond the paper)",
  }),
  task: z.enum(tasks).default('classify').meta({
    description:
      "what the network learns: the class of an image, or the box around its object by a Euclidean loss (the paper's appendix A)",
  }),
  regression: z.enum(regressions).optional().meta({
    description:
      'boxes that a network predicts with task localize: a single one for all classes, or one per class (default: per-class)',
  }),
  boxes: z.string().optional().meta({
    value: 'path',
    description:
      'boxes of the images with task localize: a CSV file (image, xmin, ymin, xmax, ymax) or a folder of XML files (default: ILSVRC’s, VOC’s or Tiny ImageNet’s annotations near the images)',
  }),
  seed: whole.default(1).meta({ value: 'n', description: 'seed of all random numbers' }),
  limit: count
    .optional()
    .meta({ value: 'n', description: 'use only this many training images, chosen at random by the seed' }),
  holdout: number.gt(0).lt(1).default(0.1).meta({
    value: 'fraction',
    description:
      'fraction of the training images held out for validation, if the data has no val split or validate-on is held-out',
  }),
  'validate-on': z.enum(['val', 'held-out']).default('val').meta({
    description:
      "images that validate: val (the data's own, otherwise held-out ones) or held-out (part of the training images, so that the data's own decide neither rates nor the best model)",
  }),
  'skip-bad': flag
    .default(false)
    .meta({ description: 'skip images that cannot be read, and report how many', resumable: true }),
  'max-pixels': count.default(DEFAULT_MAX_PIXELS).meta({
    value: 'n',
    description: 'largest image to accept, in pixels',
    resumable: true,
  }),
  'color-profiles': z.enum(colorProfileModes).optional().meta({
    description:
      "embedded color profiles of images: ignore leaves the pixels as they are stored, as the published weights' pipelines do; convert converts them to sRGB (default: ignore, or with from as its model)",
  }),
  'validate-every': positive.default(1).meta({ value: 'epochs', description: 'epochs between validations' }),
  'average-from': number.min(0).optional().meta({
    value: 'epoch',
    description:
      'from this epoch on, validate and save the running average of the weights at the validations (beyond the paper)',
  }),
  'checkpoint-every': count.optional().meta({
    value: 'iterations',
    description: 'iterations between checkpoints (default: every 10 minutes and at each validation)',
    resumable: true,
  }),
  'log-every': count
    .default(10)
    .meta({ value: 'iterations', description: 'iterations per line of metrics.jsonl' }),
  'dead-window': whole.default(500).meta({
    value: 'iterations',
    description: 'stop if the loss stays at ln(classes) for this many iterations; 0: never',
  }),
  'memory-budget': count.default(1024).meta({
    value: 'MiB',
    description:
      'memory for caching decoded training images, so that small data sets are decoded only once; validation images get another quarter of it',
    resumable: true,
  }),
  threads: count
    .optional()
    .meta({ value: 'n', description: 'compute threads (default: all cores)', resumable: true }),
  'gradient-dtype': z
    .enum(exchangeTypes)
    .default('float32')
    .meta({ description: 'number format of the gradients sent between ranks; bf16 halves the traffic' }),
  backend: z.enum(backendNames).default('native').meta({ description: 'compute backend', resumable: true }),
  gpus: text((gpus) => gpus.trim() !== '', 'must be all, a number, numbers such as 0,2, or part of a name')
    .optional()
    .meta({
      value: 'which',
      description:
        'GPUs that share each batch (backend webgpu): all, how many (4), their numbers (0,2, or device=1 for one) or part of a name (default: one)',
      resumable: true,
    }),
  precision: z.enum(precisions).exclude(['bf16']).default('fp32').meta({
    description:
      'number format of the multiplications; f16 (backend webgpu, on GPUs that support it) is faster and less exact; the weights stay float32',
    resumable: true,
  }),
});

/** A complete recipe, as `resolveRecipe` returns it. The keys are those of recipe files (docs/reference/recipe-keys.md). */
export interface Recipe extends Readonly<z.output<typeof recipeSchema>> {}
export type RecipeKey = keyof Recipe;
/** Keys whose value may be text or a number. */
type TextKey = 'mean' | 'scale' | 'warmup' | 'lr-drop-at' | 'gpus';
/** Any of the keys of a recipe. */
export type PartialRecipe = Partial<Omit<Recipe, TextKey> & Record<TextKey, string | number>>;

export interface RecipeKeyFacts extends KeyMetadata {
  readonly key: RecipeKey;
  /** Undefined where the key has none. */
  readonly default?: string | number | boolean;
  readonly choices?: readonly string[];
}

/** All keys with their metadata, in the schema's order: the source of flags, help and reference. */
export const recipeKeys: readonly RecipeKeyFacts[] = (Object.keys(recipeSchema.shape) as RecipeKey[]).map(
  (key) => {
    const schema: z.ZodType = recipeSchema.shape[key];
    return {
      ...(schema.meta() as unknown as KeyMetadata),
      key,
      default: schema.parse(undefined) as RecipeKeyFacts['default'],
      choices: choicesOf(schema),
    };
  },
);

function choicesOf(schema: z.ZodType): readonly string[] | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return choicesOf(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodEnum ? (schema.options as string[]) : undefined;
}

function isScale(text: string): boolean {
  try {
    parseTrainScale(text);
    return true;
  } catch {
    return false;
  }
}

function isMoment(text: string): boolean {
  return MOMENT.test(text.trim());
}
