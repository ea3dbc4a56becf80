import { constants } from 'node:fs';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { messageOf, systemErrorCode, UserError } from '../core/errors.ts';
import { type RunResult, runResult } from '../train/metrics.ts';
import { type Recipe, resolveRecipe } from '../train/recipe.ts';

/** The files of one training run. */
export interface RunFolder {
  readonly path: string;
  readonly recipeFile: string;
  readonly metricsFile: string;
  /** Weights, velocities and the trainer's state. */
  readonly lastFile: string;
  /** The model with the best validation error. */
  readonly bestFile: string;
  /** How the run ended; not there while it has not. */
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

/** What a run was started with: the resolved recipe and the data's location. */
export interface RunDescription {
  readonly data: string;
  readonly recipe: Recipe;
}

/**
 * Makes a new run folder.
 * @throws UserError when it exists and is not empty, or cannot be made.
 */
export async function createRunFolder(path: string, description: RunDescription): Promise<RunFolder> {
  const folder = runFolder(path);
  if (await exists(folder.recipeFile)) {
    throw new UserError(
      `the run folder ${path} exists; go on with it by --resume, or choose another folder with --out`,
    );
  }
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new UserError(`the run folder ${path} cannot be made: ${messageOf(error)}`, { cause: error });
  }
  await writeFileAtomically(folder.recipeFile, stringify({ data: description.data, ...description.recipe }));
  return folder;
}

/**
 * Reads what a run was started with.
 * @throws UserError when there is no run, or its recipe is not valid.
 */
export async function readRunDescription(path: string): Promise<RunDescription> {
  const { recipeFile } = runFolder(path);
  let text: string;
  try {
    text = await readFile(recipeFile, 'utf8');
  } catch (error) {
    const reason = systemErrorCode(error) === 'ENOENT' ? 'it has no recipe.yaml' : messageOf(error);
    throw new UserError(
      `${path} is no run: ${reason}; check its path (--resume and reports need a run that was started)`,
      {
        cause: error,
      },
    );
  }
  const { data, ...recipe } = parse(text) as Record<string, unknown>;
  if (typeof data !== 'string')
    throw new UserError(`${recipeFile} does not name its data; add "data: FOLDER"`);
  return { data, recipe: resolveRecipe(recipe, recipeFile) };
}

/** How a run ended; undefined where it has not, or its result.json is not valid. A link is not followed. */
export async function readRunResult({ resultFile }: RunFolder): Promise<RunResult | undefined> {
  try {
    await using file = await open(resultFile, constants.O_RDONLY | constants.O_NOFOLLOW);
    return runResult.parse(JSON.parse(await file.readFile('utf8')));
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
