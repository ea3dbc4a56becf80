/**
 * The training runs of one folder. A run is named by what the listing of the folder gives and by nothing else: no
 * text of a request ever becomes part of a path, and links are not followed.
 */
import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemErrorCode } from '../../core/errors.ts';
import {
  type RunDescription,
  type RunFolder,
  readRunDescription,
  runFolder,
  trainerOf,
} from '../../runs/run-folder.ts';
import { readRunResult } from '../../runs/run-result.ts';
import { formatRecipe } from '../../train/recipe-file.ts';
import type { RunResponse, RunState, RunSummary } from '../contract/runs.ts';
import { RequestError } from '../errors.ts';
import { MetricsFile } from './metrics-file.ts';

/** A run that is there. */
export interface FoundRun {
  readonly id: string;
  readonly folder: RunFolder;
}

export class RunsFolder {
  readonly #path: string;
  /** Read as far as they have been written, by run. */
  readonly #metrics = new Map<string, MetricsFile>();

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws RequestError unless the listing has a run of that name. */
  async find(id: string): Promise<FoundRun> {
    const found = (await this.#list()).find((run) => run.id === id);
    if (found) return found;
    throw new RequestError('not_found', 'There is no run of that name.');
  }

  /** The newest first; what cannot be read is left out. */
  async summaries(): Promise<RunSummary[]> {
    const read = await Promise.allSettled((await this.#list()).map((run) => this.summary(run)));
    return read
      .flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      .sort((a, b) => b.startedAt.localeCompare(a.startedAt) || a.id.localeCompare(b.id));
  }

  async summary({ id, folder }: FoundRun): Promise<RunSummary> {
    const description = await describe(folder);
    const { recipe } = description;
    const metrics = this.metrics({ id, folder });
    await metrics.update();
    const { last, best, lastValidation } = metrics;
    const [started, updated, hasModel] = await Promise.all([
      timeOf(folder.recipeFile),
      timeOf(folder.metricsFile),
      isFile(folder.lastFile),
    ]);
    const startedAt = started ?? new Date(0);
    return {
      id,
      title: titleOf(description),
      config: recipe.config,
      state: await this.state({ id, folder }),
      startedAt: startedAt.toISOString(),
      updatedAt: (updated ?? startedAt).toISOString(),
      epoch: last?.epoch ?? 0,
      iteration: last?.iteration ?? 0,
      ...totalOf(description, lastValidation ?? last),
      ...(best && {
        best: { top1Error: best.top1Error, top5Error: best.top5Error, iteration: best.iteration },
      }),
      hasReport: hasModel,
      hasModel,
    };
  }

  async details(run: FoundRun): Promise<RunResponse> {
    const [summary, { recipe }, result] = await Promise.all([
      this.summary(run),
      describe(run.folder),
      readRunResult(run.folder),
    ]);
    const shown = withoutFolders(recipe);
    return {
      ...summary,
      recipe: shown,
      recipeYaml: formatRecipe(shown as typeof recipe),
      result,
    };
  }

  async state({ folder }: FoundRun): Promise<RunState> {
    if ((await trainerOf(folder)) !== undefined) return 'running';
    const result = await readRunResult(folder);
    return result && result.reason !== 'interrupted' ? 'finished' : 'stopped';
  }

  metrics({ id, folder }: FoundRun): MetricsFile {
    let metrics = this.#metrics.get(id);
    if (!metrics) {
      metrics = new MetricsFile(folder.metricsFile);
      this.#metrics.set(id, metrics);
    }
    return metrics;
  }

  async #list(): Promise<FoundRun[]> {
    const entries = await readdir(this.#path, { withFileTypes: true }).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const runs = folders.map((id) => ({ id, folder: runFolder(join(this.#path, id)) }));
    const started = await Promise.all(runs.map(({ folder }) => isFile(folder.recipeFile)));
    const listed = runs.filter((_, i) => started[i]);
    for (const id of this.#metrics.keys()) {
      if (!listed.some((run) => run.id === id)) this.#metrics.delete(id);
    }
    return listed;
  }
}

async function describe(folder: RunFolder): Promise<RunDescription> {
  return readRunDescription(folder.path);
}

/** Whether it is a file, and no link to one. */
export async function isFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function timeOf(path: string): Promise<Date | undefined> {
  return lstat(path).then(
    ({ mtime }) => mtime,
    () => undefined,
  );
}

function titleOf({ data, recipe }: RunDescription): string {
  const width = recipe.width === 1 ? '' : `, width ${recipe.width}`;
  return `network ${recipe.config}${width}, on ${basename(data)}`;
}

/** A recipe counts in epochs; how many iterations that is follows from the iterations so far. */
function totalOf(
  { recipe }: RunDescription,
  seen: { readonly epoch: number; readonly iteration: number } | undefined,
): { totalIterations?: number } {
  if (recipe.iterations !== undefined) return { totalIterations: recipe.iterations };
  if (recipe.epochs === undefined || !seen || seen.epoch === 0) return {};
  return { totalIterations: Math.round((recipe.epochs * seen.iteration) / seen.epoch) };
}

/** Files are named, and not where they are. */
function withoutFolders(recipe: RunDescription['recipe']): RunResponse['recipe'] {
  return Object.fromEntries(
    Object.entries(recipe)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [
        key,
        typeof value === 'string' && value.includes('/')
          ? basename(value)
          : (value as string | number | boolean),
      ]),
  );
}
