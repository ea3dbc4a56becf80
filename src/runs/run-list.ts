/**
 * The training runs of one folder. Runs are found by listing the folder: text from a request never becomes part of a
 * path, and symbolic links are not followed.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifExists } from '../core/files.ts';
import { MetricsFile } from './metrics-file.ts';
import { type RunFolder, readRunResult, runFolder } from './run-folder.ts';
import { isBeingTrained } from './run-lock.ts';

export interface FoundRun {
  /** The folder's name. */
  readonly id: string;
  readonly folder: RunFolder;
}

export class RunList {
  readonly #path: string;
  readonly #metrics = new Map<string, MetricsFile>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Every folder with a recipe.yaml; none if the folder itself does not exist. */
  async list(): Promise<FoundRun[]> {
    const entries = (await ifExists(readdir(this.#path, { withFileTypes: true }))) ?? [];
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const runs = folders.map((id) => ({ id, folder: runFolder(join(this.#path, id)) }));
    const started = await Promise.all(runs.map(({ folder }) => isFile(folder.recipeFile)));
    const listed = runs.filter((_, i) => started[i]);
    for (const id of this.#metrics.keys()) {
      if (!listed.some((run) => run.id === id)) this.#metrics.delete(id);
    }
    return listed;
  }

  async find(id: string): Promise<FoundRun | undefined> {
    return (await this.list()).find((run) => run.id === id);
  }

  /** The metrics of a run; call `update` to read those written since the last time. */
  metrics({ id, folder }: FoundRun): MetricsFile {
    let metrics = this.#metrics.get(id);
    if (!metrics) {
      metrics = new MetricsFile(folder.metricsFile);
      this.#metrics.set(id, metrics);
    }
    return metrics;
  }
}

/** `stopped` runs can be resumed. */
export async function stateOf(folder: RunFolder): Promise<'running' | 'finished' | 'stopped'> {
  if (await isBeingTrained(folder)) return 'running';
  const result = await readRunResult(folder);
  return result && result.reason !== 'interrupted' ? 'finished' : 'stopped';
}

/** Whether a path is a file, and not a link to one. */
export async function isFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
