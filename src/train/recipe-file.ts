/** Recipes as files of YAML. */
import { parse, stringify } from 'yaml';
import { messageOf, UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import type { Recipe } from './recipe.ts';

/** @throws UserError when the file is not there, no YAML, or no recipe. */
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
