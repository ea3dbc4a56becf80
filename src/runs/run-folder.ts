import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { kindOf, readBytes } from '../core/files.ts';
import { type RunResult, runResult } from '../train/metrics.ts';
import type { PartialRecipe, Recipe } from '../train/recipe.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';

/** The files of one training run. */
export interface RunFolder {
  readonly path: string;
  readonly recipeFile: string;
  readonly metricsFile: string;
  /** The checkpoint: last model, velocities and the trainer's state. */
  readonly lastFile: string;
  /** The model with the lowest validation error. */
  readonly bestFile: string;
  /** How the run ended; the file does not exist until then. */
  readonly resultFile: string;
}

export function runFolder(path: string): RunFolder {
  return {
    path,
    recipeFile: join(path, 'recipe.yaml'),
    metricsFile: join(path, 'metrics.jsonl'),
    lastFile: join(path, 'last.safetensors'),
    bestFile: join(path, 'best.safetensors'),
    resultFile: join(path, 'result.json'),
  };
}

/** The location of the data and the complete recipe that a run was started with. */
export interface RunDescription {
  readonly data: string;
  readonly recipe: Recipe;
}

/**
 * Writes the description of a new run.
 * @throws UserError when the folder already has a run or cannot be written.
 */
export async function createRun({ path, recipeFile }: RunFolder, description: RunDescription): Promise<void> {
  if ((await kindOf(recipeFile)) !== 'nothing') {
    throw new UserError(
      `the run folder ${path} exists; continue it with --resume, or choose another folder with --out`,
    );
  }
  await writeFileAtomically(recipeFile, stringify({ data: description.data, ...description.recipe }));
}

/**
 * Reads the description of a run.
 * @throws UserError when there is no run, or its recipe is not valid.
 */
export async function readRunDescription(path: string): Promise<RunDescription> {
  const { recipeFile } = runFolder(path);
  if ((await kindOf(recipeFile)) === 'nothing') {
    throw new UserError(`${path} is not a run folder (no recipe.yaml); check the path`);
  }
  const { data, ...recipe } = parse((await readBytes(recipeFile)).toString()) as Record<string, unknown>;
  if (typeof data !== 'string')
    throw new UserError(`${recipeFile} does not name its data; add "data: FOLDER"`);
  return { data, recipe: resolveRecipe({ ...formerDefaults, ...recipe }, recipeFile) };
}

/** What runs of version 0.2, whose recipes lack these keys, did. */
const formerDefaults: PartialRecipe = { 'color-profiles': 'convert' };

/** How a run ended; undefined if it has not, or its result.json is not valid. Links are not followed. */
export async function readRunResult({ resultFile }: RunFolder): Promise<RunResult | undefined> {
  try {
    await using file = await open(resultFile, constants.O_RDONLY | constants.O_NOFOLLOW);
    return runResult.parse(JSON.parse(await file.readFile('utf8')));
  } catch {
    return undefined;
  }
}
