/** The keys of a recipe as flags. Names, defaults, choices and help come from the recipe's schema. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { presentBackendName } from '../kernels/backend-options.ts';
import { type RecipeKey, type RecipeKeyFacts, recipeKeys, recipeSchema } from '../train/recipe.ts';
import { faultOf } from '../train/resolve-recipe.ts';

/** Adds a flag for every key of a recipe: `--lr <rate>`, `--skip-bad`, `--flip` and `--no-flip`. */
export function addRecipeFlags(command: Command): Command {
  for (const facts of recipeKeys) for (const option of flagsOf(facts)) command.addOption(option);
  return command;
}

function flagsOf({ key, value, choices, description, default: fallback }: RecipeKeyFacts): Option[] {
  if (fallback === true) {
    return [new Option(`--${key}`, `${description} (default)`), new Option(`--no-${key}`, `turn ${key} off`)];
  }
  if (fallback === false) return [new Option(`--${key}`, description)];
  const option = new Option(`--${key} <${choices?.join('|') ?? value}>`, description);
  return [option.default(fallback).argParser((text) => parseFlag(key, text))];
}

function parseFlag(key: RecipeKey, text: string): unknown {
  const result = recipeSchema.shape[key].safeParse(key === 'backend' ? presentBackendName(text) : text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`It ${faultOf(result.error.issues[0]!)}.`);
}

/** The keys that were given as flags, under their names in a recipe. */
export function givenFlags(command: Command): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const { key } of recipeKeys) {
    const name = new Option(`--${key}`).attributeName();
    if (command.getOptionValueSource(name) === 'cli') given[key] = command.getOptionValue(name);
  }
  return given;
}
