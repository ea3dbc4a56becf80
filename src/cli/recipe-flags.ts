/** The recipe's keys as flags of the command line: one schema says names, defaults and help of both. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { presentBackendName } from '../kernels/backend-options.ts';
import { type RecipeKey, recipeSchema } from '../train/recipe.ts';

const keys = Object.keys(recipeSchema.shape) as RecipeKey[];

/** Adds a flag for every key of a recipe: `--lr <value>`, `--skip-bad`, `--flip` and `--no-flip`. */
export function addRecipeFlags(command: Command): Command {
  for (const key of keys) for (const option of flagsOf(key)) command.addOption(option);
  return command;
}

function flagsOf(key: RecipeKey): Option[] {
  const schema = recipeSchema.shape[key];
  const fallback: unknown = schema.parse(undefined);
  const help = schema.description ?? '';
  if (fallback === true) {
    return [new Option(`--${key}`, `${help} (default)`), new Option(`--no-${key}`, `switch ${key} off`)];
  }
  if (fallback === false) return [new Option(`--${key}`, help)];
  const shown = fallback === undefined ? help : `${help} (default: ${String(fallback)})`;
  return [new Option(`--${key} <value>`, shown).argParser((text) => parseFlag(key, text))];
}

function parseFlag(key: RecipeKey, text: string): unknown {
  const result = recipeSchema.shape[key].safeParse(key === 'backend' ? presentBackendName(text) : text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`${result.error.issues[0]?.message}.`);
}

/** The keys that were given as flags, under their names in a recipe. */
export function givenFlags(command: Command): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const key of keys) {
    const name = new Option(`--${key}`).attributeName();
    if (command.getOptionValueSource(name) === 'cli') given[key] = command.getOptionValue(name);
  }
  return given;
}
