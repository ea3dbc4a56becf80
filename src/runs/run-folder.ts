import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { parseDocument, stringify } from 'yaml';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { kindOf, readBytes } from '../core/files.ts';
import { type DataRecord, dataRecord } from '../train/data-record.ts';
import { type RunResult, runResult } from '../train/metrics.ts';
import type { Recipe } from '../train/recipe.ts';
import { RECIPE_VERSION, readRecipeAndData } from '../train/recipe-file.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** The files of one training run. */
export interface RunFolder {
  readonly path: string;
  readonly recipeFile: string;
  /** The names, labels and contents of the images, and what was found out about them; runs of older versions have none. */
  readonly dataFile: string;
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
    dataFile: join(path, 'data.json.gz'),
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
export async function createRun(
  folder: RunFolder,
  description: RunDescription,
  record?: DataRecord,
): Promise<void> {
  const { path, recipeFile, dataFile } = folder;
  if ((await kindOf(recipeFile)) !== 'nothing') {
    throw new UserError(
      `the run folder ${path} exists; continue it with --resume, or choose another folder with --out`,
    );
  }
  if (record) await writeFileAtomically(dataFile, await compress(JSON.stringify(record)));
  await writeFileAtomically(
    recipeFile,
    stringify({ data: description.data, version: RECIPE_VERSION, ...resolveRecipe(description.recipe) }),
  );
}

/** Writes the new location of a run's data into its recipe.yaml. */
export async function writeLocation({ recipeFile }: RunFolder, data: string): Promise<void> {
  const recipe = parseDocument((await readBytes(recipeFile)).toString());
  recipe.set('data', data);
  await writeFileAtomically(recipeFile, recipe.toString());
}

/** @returns undefined for a run of an older version. @throws UserError when the file is damaged */
export async function readDataRecord({ dataFile }: RunFolder): Promise<DataRecord | undefined> {
  if ((await kindOf(dataFile)) === 'nothing') return undefined;
  const bytes = await readBytes(dataFile);
  try {
    return dataRecord.parse(JSON.parse((await decompress(bytes)).toString()));
  } catch (cause) {
    const remedy = 'delete it to compare the data set by its file times instead';
    throw new UserError(`${dataFile} is damaged; ${remedy}`, { cause });
  }
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
  const { data, keys } = await readRecipeAndData(recipeFile);
  if (data === undefined) throw new UserError(`${recipeFile} does not name its data; add "data: FOLDER"`);
  return { data, recipe: resolveRecipe(keys, recipeFile) };
}

/** How a run ended; undefined if it has not, or its result.json is not valid. Links are not followed. */
export async function readRunResult({ resultFile }: RunFolder): Promise<RunResult | undefined> {
  try {
    await using file = await open(resultFile, constants.O_RDONLY | constants.O_NOFOLLOW);
    return runResult.parse(JSON.parse(await file.readFile('utf8')));
  } catch {
    return undefined;
  }
}
