/**
 * Indexes a set of tar files: where each image is, and its label. There are two kinds: WebDataset shards, where the files
 * of a sample share a key (`0001.jpg`, `0001.cls`), and ILSVRC's training archives, one tar file for each class. Indexes
 * are kept in the user's cache folder.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { cacheSubfolder } from '../../../core/cache.ts';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { messageOf, UserError } from '../../../core/errors.ts';
import { readingError } from '../../../core/files.ts';
import { IMAGE_EXTENSIONS, isImageExtension, isImageName } from '../../pixels/image-formats.ts';
import { FileList } from '../file-list.ts';
import { readTar, type TarEntry } from './tar.ts';

/** Where labels come from: files next to the images, or the tar file's name. */
export type ShardKind = 'webdataset' | 'a class each';

export interface ShardIndex {
  /** Names inside the tar files; labels are positions in `labelNames`, −1 for none. */
  readonly files: FileList;
  /** Labels as written, in order of appearance: numbers or class names. */
  readonly labelNames: readonly string[];
  /** `[shards]`: the number of the first image of each tar file. */
  readonly starts: Uint32Array;
  /** `[images]`: where the data of each image starts in its tar file, in bytes. */
  readonly offsets: Float64Array;
  /** `[images]`: sizes in bytes. */
  readonly sizes: Uint32Array;
}

/** One image of one shard. */
interface Sample {
  readonly entry: TarEntry;
  readonly label?: string;
}

const SHARDS_AT_ONCE = 4;
/** Increased whenever the index or how it is read changes. */
const CACHE_VERSION = 1;

/**
 * The index of some shards, from the cache or from the shards.
 * @param cacheFolder undefined: the user's cache folder
 */
export async function openIndex(
  paths: readonly string[],
  kind: ShardKind,
  cacheFolder: string | undefined,
): Promise<ShardIndex> {
  const key = await fingerprintOfShards(paths, kind);
  const cached = await readCachedIndex(key, cacheFolder);
  if (cached !== undefined) return cached;
  const index = await indexShards(paths, kind);
  await writeCachedIndex(key, index, cacheFolder);
  return index;
}

/** There are few shards, so the size and the time of each are included. */
export async function fingerprintOfShards(paths: readonly string[], kind: ShardKind): Promise<string> {
  const hash = createHash('sha256').update(`shards\0${kind}\0`);
  for (const path of paths) {
    try {
      const { size, mtimeMs } = await stat(path);
      hash.update(`${basename(path)}\0${size} ${mtimeMs}\n`);
    } catch (error) {
      throw readingError(path, error);
    }
  }
  return hash.digest('hex');
}

/** @returns undefined if there is no usable index */
async function readCachedIndex(key: string, cacheFolder?: string): Promise<ShardIndex | undefined> {
  try {
    const path = join(await cacheSubfolder('shards', cacheFolder), `${key}.index`);
    const { version, names, ...index } = deserialize(await readFile(path));
    if (version !== CACHE_VERSION) return undefined;
    return { ...index, files: new FileList(Buffer.from(names.bytes), names.offsets, names.labels) };
  } catch {
    // Whatever is wrong, the shards can be indexed again.
    return undefined;
  }
}

async function writeCachedIndex(key: string, index: ShardIndex, cacheFolder?: string): Promise<void> {
  const { files, ...rest } = index;
  try {
    const path = join(await cacheSubfolder('shards', cacheFolder), `${key}.index`);
    const names = { bytes: files.names, offsets: files.offsets, labels: files.labels };
    await writeFileAtomically(path, serialize({ version: CACHE_VERSION, names, ...rest }));
  } catch {
    // Without a cache the next run only takes longer.
  }
}

/** Reads the headers and labels of all shards. @throws UserError naming the shard and its fault. */
export async function indexShards(paths: readonly string[], kind: ShardKind): Promise<ShardIndex> {
  const perShard = await mapConcurrently(paths, SHARDS_AT_ONCE, async (path) => {
    const samples = kind === 'webdataset' ? await readSamples(path) : await readClassTar(path);
    if (samples.length > 0) return samples;
    throw new UserError(`${path} holds no image (${IMAGE_EXTENSIONS}); remove it or make it again`);
  });
  const samples = perShard.flat();
  const labelNames = [...new Set(samples.flatMap(({ label }) => label ?? []))];
  const numbers = new Map(labelNames.map((name, number) => [name, number]));
  const starts = new Uint32Array(perShard.length);
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1]! + perShard[i - 1]!.length;
  return {
    files: FileList.of(
      samples.map(({ entry }) => entry.name),
      samples.map(({ label }) => (label === undefined ? -1 : numbers.get(label)!)),
    ),
    labelNames,
    starts,
    offsets: Float64Array.from(samples, ({ entry }) => entry.offset),
    sizes: Uint32Array.from(samples, ({ entry }) => entry.size),
  };
}

async function readClassTar(path: string): Promise<Sample[]> {
  const label = basename(path).replace(/\.tar$/i, '');
  const samples: Sample[] = [];
  await readTar(path, (entry) => {
    if (isImageName(entry.name)) samples.push({ entry, label });
  });
  return samples;
}

/** Files with the same key make a sample, in any order; the key is the path up to the first dot of the name. */
async function readSamples(path: string): Promise<Sample[]> {
  const images = new Map<string, TarEntry>();
  const labels = new Map<string, string>();
  await readTar(path, async (entry, text) => {
    const [, key, extension] = /^((?:.*\/)?[^/]*?)\.([^/]+)$/.exec(entry.name) ?? [];
    if (key === undefined || extension === undefined || /(?:^|\/)$/.test(key)) return;
    if (/\.tar$/i.test(entry.name)) {
      throw new UserError(
        `${path} holds tar files (${entry.name}); unpack it once, so that those files are in a folder`,
      );
    }
    if (isImageExtension(extension)) addImage(images, key, entry, path);
    const label = await labelIn(extension, text, `${path}:${entry.name}`);
    // A .cls file takes precedence: the text of a .txt file may also be a caption.
    if (label !== undefined && (extension === 'cls' || !labels.has(key))) labels.set(key, label);
  });
  return [...images].map(([key, entry]) => ({ entry, label: labels.get(key) }));
}

function addImage(images: Map<string, TarEntry>, key: string, entry: TarEntry, path: string): void {
  const other = images.get(key);
  if (other !== undefined) {
    throw new UserError(
      `${path} has two images with the key ${key} (${other.name}, ${entry.name}); rename one`,
    );
  }
  images.set(key, entry);
}

async function labelIn(
  extension: string,
  text: () => Promise<string>,
  name: string,
): Promise<string | undefined> {
  if (extension === 'txt') return (await text()).trim();
  if (extension === 'json') return labelInJson(await text(), name);
  if (extension !== 'cls') return undefined;
  const label = (await text()).trim();
  if (/^\d+$/.test(label)) return String(Number(label));
  throw new UserError(`${name} holds "${label.slice(0, 40)}" instead of a class number; correct it`);
}

/** The field label, otherwise cls or class: a number or a name. */
function labelInJson(text: string, name: string): string | undefined {
  let sample: unknown;
  try {
    sample = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${name} is not JSON (${messageOf(error)}); correct it`, { cause: error });
  }
  if (typeof sample !== 'object' || sample === null) return undefined;
  const fields = sample as Record<string, unknown>;
  const label = fields.label ?? fields.cls ?? fields.class;
  if (label === undefined) return undefined;
  if (typeof label === 'string') return label.trim();
  if (typeof label === 'number' && Number.isInteger(label) && label >= 0) return String(label);
  throw new UserError(
    `${name}: label is ${JSON.stringify(label)}, which is neither a class number nor a name; correct it`,
  );
}
