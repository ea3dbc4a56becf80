/**
 * Every ingredient of training (section 3.1) as one schema: the keys of a recipe file are the names of the
 * command line's flags, and the defaults are the paper's.
 */
import { z } from 'zod';
import { exchangeTypes } from '../comm/communicator.ts';
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import { DEFAULT_MAX_PIXELS } from '../data/pixels/max-pixels.ts';
import { backendNames, kernelChoices, presentBackendName } from '../kernels/backend-options.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { initializationMethods } from '../net/initialization.ts';
import { conventionNames } from '../weights/import/preprocessing.ts';
import type { ScheduleOptions } from './schedule.ts';

const positive = z.coerce.number().positive();
const count = z.coerce.number().int().positive();
const fraction = z.coerce.number().min(0).lt(1);

/** A moment of training: `10` (iterations) or `6e`, `0.5e` (epochs). */
const MOMENT = /^\d+(\.\d+e|e)?$/;

export const recipeSchema = z.strictObject({
  config: z
    .enum(configurationNames as [ConfigurationName, ...ConfigurationName[]])
    .default('A')
    .describe('network of Table 1'),
  width: positive.max(16).default(1).describe('multiplies the channels of every hidden layer'),
  crop: count.multipleOf(32).default(224).describe('side of the training crop, pixels; a multiple of 32'),
  pooling: z
    .enum(['floor', 'ceil'])
    .default('floor')
    .describe('rounding of odd extents in max pooling: floor as PyTorch, ceil as Caffe'),
  scale: z
    .union([z.string(), z.number()])
    .transform((text) => String(text))
    .refine(isScale, 'a scale is a number such as 256 or a range such as 256..512')
    .default('256')
    .describe('smaller side S of the rescaled image, fixed or drawn from a range: 256 or 256..512'),
  batch: count.default(256).describe('images a step of SGD'),
  'micro-batch': count
    .optional()
    .describe('images computed at once, gradients adding up to the batch (default: what fits 4 GiB)'),
  lr: positive.default(0.01).describe('learning rate at the start'),
  'lr-reference-batch': count
    .optional()
    .describe(
      'the batch that lr is for: the rate becomes lr × batch / this, for larger batches (beyond the paper)',
    ),
  warmup: z
    .union([z.string(), z.number()])
    .transform((text) => String(text))
    .refine((text) => MOMENT.test(text.trim()), 'a number of iterations (500) or epochs (5e)')
    .optional()
    .describe(
      'the rate rises to its first value over so many iterations (500) or epochs (5e): from lr where lr-reference-batch raises it, else from 0 (beyond the paper)',
    ),
  'lr-factor': z.coerce.number().gt(1).default(10).describe('what the rate is divided by at a drop'),
  'lr-drops': z.coerce
    .number()
    .int()
    .min(0)
    .default(3)
    .describe('drops by the plateau rule; after the last, the next plateau ends training'),
  patience: count.default(5).describe('validations without a better error that make a plateau'),
  'lr-drop-at': z
    .union([z.string(), z.number()])
    .transform((text) => String(text))
    .refine(isDropList, 'a list such as 10,20 (iterations) or 6e,8e (epochs)')
    .optional()
    .describe('drop at these iterations (10,20) or epochs (6e,8e) instead of by the plateau rule'),
  epochs: positive.default(74).describe('passes over the training set, at most'),
  iterations: count.optional().describe('steps of SGD, at most (instead of epochs)'),
  momentum: fraction.default(0.9).describe('momentum of SGD'),
  'weight-decay': z.coerce.number().min(0).default(5e-4).describe('L2 penalty on weights'),
  'bias-decay': z.coerce.number().min(0).default(0).describe('L2 penalty on biases'),
  dropout: fraction.default(0.5).describe('dropout on fc6 and fc7'),
  'random-crop': z.boolean().default(true).describe('a random crop an image and epoch; else the centre'),
  flip: z.boolean().default(true).describe('random horizontal flips'),
  'color-shift': z.boolean().default(true).describe("random RGB shift along the training set's PCA"),
  shuffle: z.boolean().default(true).describe('a new random order each epoch'),
  init: z.enum(initializationMethods).default('glorot').describe('first values of the weights'),
  'init-std': positive.default(0.01).describe('standard deviation of --init gaussian'),
  from: z
    .string()
    .optional()
    .describe(
      'start from all layers of this model, or from the mean of several: a.safetensors,b.safetensors',
    ),
  'from-shallower': z
    .string()
    .optional()
    .describe('start from the first four convolutions and the FC layers of this model (section 3.1)'),
  'from-convention': z
    .enum(conventionNames)
    .optional()
    .describe('what the input of that model takes, where a file of another format does not say it'),
  seed: z.coerce.number().int().min(0).default(1).describe('everything random follows from it'),
  limit: count.optional().describe('use only so many training images, chosen by the seed'),
  holdout: z.coerce
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('share of the training images held out for validation where the data has no val or test split'),
  'skip-bad': z.boolean().default(false).describe('leave out images that cannot be read, and count them'),
  'max-pixels': count
    .default(DEFAULT_MAX_PIXELS)
    .describe('images of more pixels are refused before they are decoded'),
  'validate-every': positive.default(1).describe('epochs between validations'),
  'average-from': z.coerce
    .number()
    .min(0)
    .optional()
    .describe('from this epoch on, the mean of the weights at each validation is what is validated and kept'),
  'checkpoint-every': count
    .optional()
    .describe('iterations between checkpoints (default: every 10 minutes and at each validation)'),
  'log-every': count.default(10).describe('iterations a line of metrics.jsonl stands for'),
  'dead-window': z.coerce
    .number()
    .int()
    .min(0)
    .default(500)
    .describe('stop after so many iterations of a loss flat at ln(classes); 0: never'),
  'memory-budget': count
    .default(1024)
    .describe(
      'MiB of decoded images kept in memory, so that small sets are decoded once; a quarter more for validation',
    ),
  threads: count.optional().describe('threads of the arithmetic (default: all cores)'),
  'gradient-dtype': z
    .enum(exchangeTypes)
    .default('float32')
    .describe('how gradients travel between ranks; bf16 takes half the bytes'),
  kernels: z
    .enum(kernelChoices)
    .default('own')
    .describe("whose kernels run the 3×3 convolutions: our own, or oneDNN's for comparison"),
  backend: z.enum(backendNames).default('native').describe('what does the arithmetic'),
  precision: z
    .enum(['fp32', 'f16'])
    .default('fp32')
    .describe('what is multiplied; f16 (on a GPU that has it): faster, less exact, the weights stay float32'),
});

export type Recipe = z.output<typeof recipeSchema>;
export type RecipeKey = keyof Recipe;
/** What a person wrote: any of the keys. */
export type PartialRecipe = z.input<typeof recipeSchema>;

/**
 * Completes and checks a recipe.
 * @param origin what to name in messages: a file, or "the flags".
 * @throws UserError naming the key, what is wrong and what is allowed.
 */
export function resolveRecipe(
  partial: PartialRecipe | Record<string, unknown>,
  origin = 'the recipe',
): Recipe {
  const { backend } = partial;
  const present = backend === undefined ? partial : { ...partial, backend: presentBackendName(backend) };
  const result = recipeSchema.safeParse(present);
  if (result.success) {
    const recipe = result.data;
    if (recipe.from !== undefined && recipe['from-shallower'] !== undefined) {
      throw new UserError(`${origin}: from and from-shallower exclude each other; keep one`);
    }
    if (parseTrainScale(recipe.scale).min < recipe.crop) {
      throw new UserError(
        `${origin}: scale ${recipe.scale} is smaller than the crop of ${recipe.crop} pixels; raise scale or lower crop`,
      );
    }
    return recipe;
  }
  throw new UserError(`${origin}: ${result.error.issues.map(describeIssue).join('; ')}`);
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `unknown ${issue.keys.length > 1 ? 'keys' : 'key'} ${issue.keys.join(', ')}; known are ${Object.keys(recipeSchema.shape).join(', ')}`;
  }
  return `${issue.path.join('.')}: ${issue.message}`;
}

function isScale(text: string): boolean {
  try {
    parseTrainScale(text);
    return true;
  } catch {
    return false;
  }
}

function isDropList(text: string): boolean {
  return text.split(',').every((part) => MOMENT.test(part.trim()));
}

/** The iterations at which `lr-drop-at` drops the rate, in order. */
export function dropIterations(list: string, iterationsPerEpoch: number): number[] {
  return list
    .split(',')
    .map((part) => iterationsOf(part, iterationsPerEpoch))
    .sort((a, b) => a - b);
}

function iterationsOf(moment: string, iterationsPerEpoch: number): number {
  const text = moment.trim();
  return text.endsWith('e') ? Math.round(Number(text.slice(0, -1)) * iterationsPerEpoch) : Number(text);
}

/** What the recipe says of the learning rate. */
export function scheduleOf(recipe: Recipe, iterationsPerEpoch: number): ScheduleOptions {
  const { lr, batch, warmup } = recipe;
  const raised = batch / (recipe['lr-reference-batch'] ?? batch);
  return {
    learningRate: lr * raised,
    factor: recipe['lr-factor'],
    maximumDrops: recipe['lr-drops'],
    patience: recipe.patience,
    ...(recipe['lr-drop-at'] && { dropAt: dropIterations(recipe['lr-drop-at'], iterationsPerEpoch) }),
    ...(warmup !== undefined && {
      warmup: iterationsOf(warmup, iterationsPerEpoch),
      warmupFrom: raised > 1 ? 1 / raised : 0,
    }),
  };
}
