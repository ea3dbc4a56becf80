/** Reads and writes recipes as YAML files. */
import { parse, stringify } from 'yaml';
import { messageOf, UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import type { Recipe } from './recipe.ts';

/**
 * Reads the keys of a recipe file; `resolveRecipe` checks and completes them.
 * @throws UserError when the file does not exist, or is not a YAML mapping.
 * @example
 * const recipe = resolveRecipe(await readRecipeFile('recipes/demo.yaml'), 'recipes/demo.yaml');
 */
export async function readRecipeFile(path: string): Promise<Record<string, unknown>> {
  const text = (await readBytes(path)).toString('utf8');
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw new UserError(`the recipe ${path} is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
  if (parsed === null) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new UserError(`the recipe ${path} must be a mapping of keys such as "lr: 0.01"`);
  }
  return parsed as Record<string, unknown>;
}

/** The recipe as YAML, keys in the schema's order. */
export function formatRecipe(recipe: Recipe): string {
  return stringify(recipe);
}
