/** Reads and writes recipes as YAML files. */
import { parse, stringify } from 'yaml';
import { messageOf, UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import type { Recipe } from './recipe.ts';

/** A recipe file. That of a run also names the location of its data. */
export interface RecipeFile {
  readonly data?: string;
  readonly keys: Record<string, unknown>;
}

/**
 * Reads the keys of a recipe file, also of a run's recipe.yaml; `resolveRecipe` checks and completes them.
 * @throws UserError when the file does not exist, or is not a YAML mapping.
 * @example
 * const recipe = resolveRecipe(await readRecipeFile('recipes/demo.yaml'), 'recipes/demo.yaml');
 */
export async function readRecipeFile(path: string): Promise<Record<string, unknown>> {
  return (await readRecipeAndData(path)).keys;
}

/** Reads a recipe file with the location of the data. @throws UserError as readRecipeFile does. */
export async function readRecipeAndData(path: string): Promise<RecipeFile> {
  const text = (await readBytes(path)).toString('utf8');
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw new UserError(`the recipe ${path} is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
  if (parsed === null) return { keys: {} };
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new UserError(`the recipe ${path} must be a mapping of keys such as "lr: 0.01"`);
  }
  const { data, ...keys } = parsed as Record<string, unknown>;
  if (data === undefined || typeof data === 'string') return { data, keys };
  throw new UserError(`the recipe ${path}: data must be the location of the images, such as "data: photos"`);
}

/** The recipe as YAML, keys in the schema's order. */
export function formatRecipe(recipe: Recipe): string {
  return stringify(recipe);
}
