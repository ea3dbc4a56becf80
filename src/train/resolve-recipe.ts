/** Completes, checks and changes recipes, and builds the network that one describes. */
import type { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import { presentBackendName } from '../kernels/backend-options.ts';
import { parseHeadPool, parseHidden } from '../net/classifier.ts';
import { withFrozenLayers } from '../net/frozen-layers.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import { frozenNames, tensorRates } from './layer-rates.ts';
import { type PartialRecipe, type Recipe, type RecipeKey, recipeKeys, recipeSchema } from './recipe.ts';

/**
 * Completes and checks a recipe. Missing keys get the paper's values; docs/reference/recipe-keys.md lists all
 * keys with their defaults and units.
 * @param partial any of the keys, such as those of a recipe file
 * @param origin where they come from, for messages: a file, or "the flags" (default: "the recipe")
 * @throws UserError naming the key, what is wrong and what is allowed.
 * @example
 * const recipe = resolveRecipe({ config: 'A', crop: 64, scale: 64, epochs: 10 });
 * recipe.momentum; // 0.9
 */
export function resolveRecipe(
  partial: PartialRecipe | Record<string, unknown>,
  origin = 'the recipe',
): Recipe {
  const result = recipeSchema.safeParse(
    'backend' in partial ? { ...partial, backend: presentBackendName(partial.backend) } : partial,
  );
  if (!result.success) throw new UserError(`${origin}: ${result.error.issues.map(describeIssue).join('; ')}`);
  const recipe = result.data;
  if (recipe.from !== undefined && recipe['from-shallower'] !== undefined) {
    throw new UserError(`${origin}: from and from-shallower cannot be used together; keep one`);
  }
  if (recipe['from-features-only'] && recipe.from === undefined) {
    throw new UserError(`${origin}: from-features-only needs from, the model whose convolutions to take`);
  }
  checkTask(recipe, origin);
  checkLayers(recipe, origin);
  checkGpus(recipe, origin);
  if (parseTrainScale(recipe.scale).min < recipe.crop) {
    throw new UserError(
      `${origin}: scale ${recipe.scale} is smaller than the crop of ${recipe.crop} pixels; raise scale or lower crop`,
    );
  }
  return recipe;
}

function checkGpus({ gpus, backend }: Recipe, origin: string): void {
  if (gpus === undefined || backend === 'webgpu') return;
  throw new UserError(`${origin}: gpus applies to backend webgpu, not to ${backend}; leave one of them out`);
}

/** @throws UserError for settings of the other task. */
function checkTask(recipe: Recipe, origin: string): void {
  if (recipe.task === 'classify') {
    const foreign = (['regression', 'boxes'] as const).find((key) => recipe[key] !== undefined);
    if (foreign === undefined) return;
    throw new UserError(`${origin}: ${foreign} is for boxes; add task localize, or leave it out`);
  }
  if (recipe['label-smoothing'] > 0) {
    throw new UserError(`${origin}: label-smoothing is for classes, not for boxes; leave it out`);
  }
  if (recipe['head-pool'] !== 'none') {
    throw new UserError(
      `${origin}: head-pool removes the position that a box follows from; leave it out with task localize`,
    );
  }
}

/** @throws UserError for settings of layers that the network does not have, or that do not apply. */
function checkLayers(recipe: Recipe, origin: string): void {
  const { freeze, from, 'lr-scale': factors } = recipe;
  if (freeze === undefined && factors === undefined) return;
  if (freeze !== undefined && from === undefined) {
    throw new UserError(`${origin}: freeze needs from, the model whose layers to keep`);
  }
  try {
    tensorRates(recipe, networkOf(recipe, 2));
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${origin}: ${error.message}`, { cause: error });
    throw error;
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.')} ${faultOf(issue)}`;
  const known = Object.keys(recipeSchema.shape).join(', ');
  return `unknown ${issue.keys.length > 1 ? 'keys' : 'key'} ${issue.keys.join(', ')}; the keys are ${known}`;
}

/** The part of a message that follows the name of the key: `must be above 0`. */
export function faultOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return INVALID_TYPES[issue.expected] ?? `must be a ${issue.expected}`;
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}`;
    case 'invalid_union':
      return 'must be a number or text';
    default:
      return issue.message;
  }
}

const INVALID_TYPES: Readonly<Record<string, string>> = {
  boolean: 'must be true or false',
  int: 'must be a whole number',
};

/**
 * The recipe of a resumed run with some keys changed.
 * @throws UserError for keys that the weights depend on.
 */
export function changeRecipe(recorded: Recipe, changes: Partial<Recipe>): Recipe {
  const allowed = recipeKeys.filter(({ resumable }) => resumable).map(({ key }) => key);
  const keys = Object.keys(changes) as RecipeKey[];
  const refused = keys.find((key) => !allowed.includes(key) && changes[key] !== recorded[key]);
  if (refused === undefined) {
    // Another backend does without the GPUs.
    const { backend = recorded.backend } = changes;
    const gpus = changes.gpus ?? (backend === 'webgpu' ? recorded.gpus : undefined);
    const changed = { ...recorded, ...changes, gpus };
    checkGpus(changed, 'the flags');
    return changed;
  }
  throw new UserError(
    `the run was started with ${refused} ${recorded[refused] ?? '(none)'}, and ${refused} ${changes[refused]} would change its ` +
      `results; leave the flag out, or start a new run with --from (only ${allowed.join(', ')} may change)`,
  );
}

/** The network that a recipe trains. @throws UsageError for options that do not make a network. */
export function networkOf(recipe: Recipe, classes: number): Network {
  const network = buildNetwork({
    configuration: recipe.config,
    classes,
    crop: recipe.crop,
    width: recipe.width,
    pooling: recipe.pooling,
    dropout: recipe.dropout,
    hidden: recipe.hidden === undefined ? undefined : parseHidden(recipe.hidden)!,
    headPool: parseHeadPool(recipe['head-pool']) ?? undefined,
    boxes: recipe.task === 'localize' ? (recipe.regression ?? 'per-class') : undefined,
  });
  return withFrozenLayers(network, frozenNames(recipe, network));
}
