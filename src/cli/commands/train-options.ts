/** The flags of `vgg train`: every key of a recipe is one. Names, defaults, choices and help come from the recipe's schema. */
import { InvalidArgumentError, Option } from 'commander';
import { presentBackendName } from '../../kernels/backend-options.ts';
import { isDataKey } from '../../train/data-defaults.ts';
import { type RecipeKey, type RecipeKeyFacts, recipeKeys, recipeSchema } from '../../train/recipe.ts';
import { faultOf } from '../../train/resolve-recipe.ts';

/** Headings of the help. Keys that no group names come last. */
const GROUPS: Readonly<Record<string, readonly RecipeKey[]>> = {
  'Task:': ['task', 'regression', 'boxes'],
  'Network:': ['config', 'width', 'crop', 'hidden', 'head-pool', 'dropout', 'pooling'],
  'First weights:': [
    ...(['from', 'from-shallower', 'from-convention', 'from-features-only', 'freeze', 'lr-scale'] as const),
    ...(['init', 'init-std'] as const),
  ],
  'Images:': [
    ...(['limit', 'holdout', 'validate-on', 'skip-bad', 'max-pixels', 'color-profiles'] as const),
    ...(['scale', 'random-crop', 'flip', 'color-shift', 'mean', 'color-axes', 'shuffle', 'seed'] as const),
  ],
  'Learning rate, length and loss:': [
    ...(['epochs', 'iterations', 'batch', 'micro-batch', 'lr', 'lr-reference-batch', 'warmup'] as const),
    ...(['lr-factor', 'lr-drops', 'patience', 'lr-drop-at'] as const),
    ...(['momentum', 'weight-decay', 'bias-decay', 'class-weights', 'label-smoothing'] as const),
  ],
  'Validation and checkpoints:': [
    'validate-every',
    'average-from',
    'checkpoint-every',
    'log-every',
    'dead-window',
  ],
};
const OTHERS = 'Machine:';

/** The flags of all recipe keys, group by group. */
export function recipeOptions(): Option[] {
  const facts = new Map(recipeKeys.map((one) => [one.key, one]));
  const grouped = new Set(Object.values(GROUPS).flat());
  const others = [...facts.keys()].filter((key) => !grouped.has(key));
  return Object.entries({ ...GROUPS, [OTHERS]: others }).flatMap(([heading, keys]) =>
    keys.flatMap((key) => optionsOfKey(facts.get(key)!)).map((made) => made.helpGroup(heading)),
  );
}

function optionsOfKey({ key, value, choices, description, default: fallback }: RecipeKeyFacts): Option[] {
  if (fallback === true) {
    return [new Option(`--${key}`, `${description} (default)`), new Option(`--no-${key}`, `turn ${key} off`)];
  }
  if (fallback === false) return [new Option(`--${key}`, description)];
  const made = new Option(`--${key} <${choices?.join('|') ?? value}>`, description);
  const shown = isDataKey(key) ? `from the data; with --recipe: ${fallback ?? 'none'}` : undefined;
  return [made.default(fallback, shown).argParser((text) => parseKey(key, text))];
}

function parseKey(key: RecipeKey, text: string): unknown {
  const result = recipeSchema.shape[key].safeParse(key === 'backend' ? presentBackendName(text) : text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`It ${faultOf(result.error.issues[0]!)}.`);
}
