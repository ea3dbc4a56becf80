/** Reads and writes recipes as YAML files. */
import { parse, stringify } from 'yaml';
import { messageOf, UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import type { PartialRecipe, Recipe } from './recipe.ts';

/**
 * The version of the keys in a run's recipe.yaml. Runs of version 0.2 and before record none and have version 1, where
 * `init: he` is today's `he-unscaled`, color profiles were converted, and the mean was that of the
 * training images.
 */
export const RECIPE_VERSION = 2;

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

/** @param kind of file, for messages @throws UserError when it cannot be read or is not YAML */
export async function readYaml(path: string, kind: 'recipe' | 'plan' | 'class weights'): Promise<unknown> {
  const text = (await readBytes(path)).toString('utf8');
  try {
    return parse(text);
  } catch (error) {
    // More lines show the place in the file.
    const fault = messageOf(error).split('\n', 1)[0]!.replace(/:$/, '');
    throw new UserError(
      `the ${kind} ${path} ${kind === 'class weights' ? 'are' : 'is'} not valid YAML: ${fault}`,
      { cause: error },
    );
  }
}

/** Reads a recipe file with the location of the data. @throws UserError as readRecipeFile does. */
export async function readRecipeAndData(path: string): Promise<RecipeFile> {
  const parsed = await readYaml(path, 'recipe');
  if (parsed === null) return { keys: {} };
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new UserError(`the recipe ${path} must be a mapping of keys such as "lr: 0.01"`);
  }
  const { data, version, ...keys } = parsed as Record<string, unknown>;
  if (data !== undefined && typeof data !== 'string') {
    throw new UserError(
      `the recipe ${path}: data must be the location of the images, such as "data: photos"`,
    );
  }
  // Files that people write have the current keys; only runs record data.
  return { data, keys: presentKeys(path, keys, version ?? (data === undefined ? RECIPE_VERSION : 1)) };
}

/** What runs of version 1 did, whose recipes lack these keys. */
const formerDefaults: PartialRecipe = { 'color-profiles': 'convert', mean: 'dataset' };

/** Renames keys and values of older versions, so that they keep their meaning. */
function presentKeys(path: string, keys: Record<string, unknown>, version: unknown): Record<string, unknown> {
  if (version !== 1 && version !== RECIPE_VERSION) {
    throw new UserError(
      `the recipe ${path} has version ${version}, but this verydeep knows versions 1 to ${RECIPE_VERSION}; install a newer verydeep`,
    );
  }
  // Chose between own 3×3 kernels and oneDNN's, which is gone: their results differed in the last bits.
  const { kernels: _, ...present } = keys;
  if (version !== 1) return present;
  return { ...formerDefaults, ...present, ...(keys.init === 'he' && { init: 'he-unscaled' }) };
}

/** The recipe as YAML, keys in the schema's order. */
export function formatRecipe(recipe: Recipe): string {
  return stringify(recipe);
}
