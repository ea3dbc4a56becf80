/**
 * Which images are in a set of tar files, where, and what they show. Two kinds: WebDataset shards, where a
 * sample's files share a key (`0001.jpg`, `0001.cls`), and ILSVRC's training archives, a tar file a class.
 */
import { basename } from 'node:path';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { messageOf, UserError } from '../../../core/errors.ts';
import { type FileList, FileListBuilder } from '../folders/file-list.ts';
import { isImageName } from '../split-names.ts';
import { readTar, type TarEntry } from './tar.ts';

/** How images get their labels: from files beside them, or from the tar file's own name. */
export type ShardKind = 'webdataset' | 'a class each';

export interface ShardIndex {
  /** Names inside the tar files; labels are positions in `labelNames`, −1 for none. */
  readonly files: FileList;
  /** Labels as they are written, in order of appearance: numbers or class names. */
  readonly labelNames: readonly string[];
  /** `[shards]`: the number of the first image of each tar file. */
  readonly starts: Uint32Array;
  /** `[images]`: where each image's data start in its tar file, in bytes. */
  readonly offsets: Float64Array;
  /** `[images]` */
  readonly sizes: Uint32Array;
}

/** One image of one shard. */
interface Sample {
  readonly entry: TarEntry;
  label: string | undefined;
}

const SHARDS_AT_ONCE = 4;

/** Reads the headers and labels of all shards. @throws UserError naming the shard and what is wrong in it. */
export async function indexShards(paths: readonly string[], kind: ShardKind): Promise<ShardIndex> {
  const perShard = await mapConcurrently(paths, SHARDS_AT_ONCE, async (path) => {
    const samples = kind === 'webdataset' ? await readSamples(path) : await readClassTar(path);
    if (samples.length === 0) {
      throw new UserError(`${path} holds no image (.jpg, .jpeg, .png or .webp); remove it or make it again`);
    }
    return samples;
  });
  return joinShards(perShard);
}

function joinShards(perShard: readonly (readonly Sample[])[]): ShardIndex {
  const count = perShard.reduce((total, samples) => total + samples.length, 0);
  const files = new FileListBuilder();
  const numbers = new Map<string, number>();
  const starts = new Uint32Array(perShard.length);
  const offsets = new Float64Array(count);
  const sizes = new Uint32Array(count);
  let at = 0;
  perShard.forEach((samples, shard) => {
    starts[shard] = at;
    for (const { entry, label } of samples) {
      if (label !== undefined && !numbers.has(label)) numbers.set(label, numbers.size);
      files.add(entry.name, label === undefined ? -1 : numbers.get(label)!);
      offsets[at] = entry.offset;
      sizes[at] = entry.size;
      at++;
    }
  });
  return { files: files.build(), labelNames: [...numbers.keys()], starts, offsets, sizes };
}

async function readClassTar(path: string): Promise<Sample[]> {
  const label = basename(path).replace(/\.tar$/i, '');
  const samples: Sample[] = [];
  await readTar(path, (entry) => {
    if (isImageName(entry.name)) samples.push({ entry, label });
  });
  return samples;
}

/** Samples are files with one key, whatever their order; a file's key is its path up to the name's first dot. */
async function readSamples(path: string): Promise<Sample[]> {
  const images = new Map<string, TarEntry>();
  const labels = new Map<string, string>();
  await readTar(path, async (entry, text) => {
    const [, key, extension] = /^((?:.*\/)?[^/]*?)\.([^/]+)$/.exec(entry.name) ?? [];
    if (key === undefined || extension === undefined || /(?:^|\/)$/.test(key)) return;
    if (/\.tar$/i.test(entry.name)) {
      throw new UserError(
        `${path} holds tar files (${entry.name}); unpack it once, so that those lie in a folder`,
      );
    }
    if (/^(?:jpe?g|png|webp)$/i.test(extension)) addImage(images, key, entry, path);
    const label = await labelIn(extension, text, `${path}:${entry.name}`);
    // A class number is the surest; then json, then txt, whose text may also be a caption.
    if (label !== undefined && (extension === 'cls' || !labels.has(key))) labels.set(key, label);
  });
  return [...images].map(([key, entry]) => ({ entry, label: labels.get(key) }));
}

function addImage(images: Map<string, TarEntry>, key: string, entry: TarEntry, path: string): void {
  const other = images.get(key);
  if (other !== undefined) {
    throw new UserError(
      `${path} has two images of the key ${key} (${other.name}, ${entry.name}); rename one`,
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
  if (extension === 'cls') {
    const label = (await text()).trim();
    if (!/^\d+$/.test(label)) {
      throw new UserError(`${name} holds "${label.slice(0, 40)}" where a class number should be; correct it`);
    }
    return String(Number(label));
  }
  return extension === 'json' ? labelInJson(await text(), name) : undefined;
}

/** The field label, else cls or class: a number or a name. */
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
    `${name}: label is ${JSON.stringify(label)}, neither a class number nor a name; correct it`,
  );
}
