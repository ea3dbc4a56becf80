/**
 * The downloaded models: `models/` in the cache folder. Each name that was downloaded has a record in `models/names/`,
 * written after its last file. Files are in `models/torchvision/`, `models/hf/OWNER/REPOSITORY/COMMIT/` and
 * `models/address/`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { cacheSubfolder, defaultCacheFolder } from '../../core/cache.ts';
import { UserError } from '../../core/errors.ts';
import { tryLock } from '../../core/file-lock.ts';
import { ifExists, writingError } from '../../core/files.ts';
import { isSafePath } from '../../core/paths.ts';

const recordSchema = z.object({
  /** As it is given to `--model`. */
  name: z.string(),
  /** The address, or the repository's page. */
  source: z.string(),
  license: z.string().optional(),
  /** Commit of the repository. */
  revision: z.string().optional(),
  /** What opens the model, relative to `models/`, with slashes. */
  file: z.string().refine(isSafePath),
  /** All its files. */
  files: z.array(z.object({ path: z.string().refine(isSafePath), bytes: z.int().nonnegative() })),
});
export type ModelRecord = z.infer<typeof recordSchema>;

export interface DownloadedModel extends ModelRecord {
  /** Size of all files. */
  readonly bytes: number;
  readonly path: string;
}

/** The folder of downloaded models. @throws UserError when there is no cache folder, or it is not writable. */
export async function modelsFolder(): Promise<string> {
  const path = join(defaultCacheFolder() ?? '', 'models');
  try {
    return await cacheSubfolder('models');
  } catch (error) {
    throw error instanceof UserError ? error : writingError(path, error);
  }
}

function recordFile(folder: string, name: string): string {
  return join(folder, 'names', `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.json`);
}

/** The record of a name, or undefined if it was not downloaded or a file is missing or has another size. */
export async function findDownloaded(folder: string, name: string): Promise<DownloadedModel | undefined> {
  const record = await readRecord(recordFile(folder, name));
  if (record?.name !== name) return undefined;
  for (const { path, bytes } of record.files) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.size !== bytes) return undefined;
  }
  return downloaded(folder, record);
}

function downloaded(folder: string, record: ModelRecord): DownloadedModel {
  const bytes = record.files.reduce((sum, file) => sum + file.bytes, 0);
  return { ...record, bytes, path: join(folder, record.file) };
}

async function readRecord(path: string): Promise<ModelRecord | undefined> {
  const text = await ifExists(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    // Damaged, or of another version: the model is downloaded again.
    return undefined;
  }
}

/** @param paths the model's files; the first opens it */
export async function recordDownload(
  folder: string,
  facts: Omit<ModelRecord, 'file' | 'files'>,
  paths: readonly [string, ...string[]],
): Promise<DownloadedModel> {
  const nameOf = (path: string) => relative(folder, path).split(sep).join('/');
  const files = [];
  for (const path of paths) files.push({ path: nameOf(path), bytes: (await stat(path)).size });
  const record = { ...facts, file: nameOf(paths[0]), files };
  const path = recordFile(folder, facts.name);
  const before = await readRecord(path);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, `${JSON.stringify(record, undefined, 2)}\n`);
  // The commit that the name had before.
  if (before) await deleteUnlisted(folder, before.files);
  return downloaded(folder, record);
}

/** The downloaded models, by name. */
export async function listDownloaded(): Promise<DownloadedModel[]> {
  const cache = defaultCacheFolder();
  if (cache === undefined) return [];
  const folder = join(cache, 'models');
  const names = (await ifExists(readdir(join(folder, 'names')))) ?? [];
  const models: DownloadedModel[] = [];
  for (const name of names.filter((file) => file.endsWith('.json'))) {
    const record = await readRecord(join(folder, 'names', name));
    if (record) models.push(downloaded(folder, record));
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Deletes a downloaded model, except for files that another name shares, and what an interrupted download left.
 * @param place the folder that the name is downloaded into
 * @returns the number of bytes that are free now
 * @throws UserError when nothing of it was downloaded.
 */
export async function removeDownloaded(name: string, place: readonly string[]): Promise<number> {
  const folder = await modelsFolder();
  const record = await readRecord(recordFile(folder, name));
  const partial = await partialFiles(folder, place.join('/'));
  if (!record && partial.length === 0) {
    throw new UserError(`${name} was not downloaded; \`vgg models\` lists the names of what was`);
  }
  await rm(recordFile(folder, name), { force: true });
  return deleteUnlisted(folder, [...(record?.files ?? []), ...partial]);
}

async function partialFiles(folder: string, place: string): Promise<ModelRecord['files']> {
  const names = (await ifExists(readdir(join(folder, place), { recursive: true }))) ?? [];
  const partial = names.filter((name) => /\.partial(\.version)?$/.test(name));
  return Promise.all(
    partial.map(async (name) => {
      const path = `${place}/${name.split(sep).join('/')}`;
      return { path, bytes: (await stat(join(folder, path))).size };
    }),
  );
}

/** Deletes the files that no record lists. @returns the number of their bytes */
async function deleteUnlisted(folder: string, files: ModelRecord['files']): Promise<number> {
  const listed = new Set((await listDownloaded()).flatMap((model) => model.files.map(({ path }) => path)));
  let freed = 0;
  for (const { path, bytes } of files.filter((file) => !listed.has(file.path))) {
    await rm(join(folder, path), { force: true });
    freed += bytes;
    await removeEmptyFolders(folder, dirname(join(folder, path)));
  }
  return freed;
}

async function removeEmptyFolders(root: string, path: string): Promise<void> {
  for (let folder = path; folder !== root; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}

const POLL_MS = 200;

/**
 * Runs work while no other process downloads into the folder.
 * @param onWait called once if another process does
 */
export async function withDownloadLock<T>(
  folder: string,
  work: () => Promise<T>,
  onWait: (holder: string) => void,
): Promise<T> {
  try {
    await mkdir(dirname(folder), { recursive: true });
  } catch (error) {
    throw writingError(folder, error);
  }
  for (let waited = false; ; waited = true) {
    const lock = await tryLock(`${folder}.lock`);
    if (typeof lock === 'function') return work().finally(lock);
    if (!waited) onWait(lock.holder);
    await sleep(POLL_MS);
  }
}
