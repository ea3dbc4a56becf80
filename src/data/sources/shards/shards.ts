/** Data sets in tar files, as sources of images. */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf, readingError, readLines } from '../../../core/files.ts';
import { listFolder } from '../files.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import { MissingSplitError } from '../missing-split.ts';
import type { ImageSource, Split, StoredImage } from '../source.ts';
import { recallIndex, rememberIndex } from './shard-cache.ts';
import { indexShards, type ShardIndex, type ShardKind } from './shard-index.ts';

export interface ShardOptions {
  readonly location: string;
  readonly split: Split;
  readonly labels: 'required' | 'optional';
  readonly cacheFolder?: string;
  /** The tar files were named by file or pattern, so all of them may be meant whatever their names say. */
  readonly named?: boolean;
  /** Classes that are known already: those of the training images. */
  readonly classes?: readonly string[];
}

/** A tar file a class, as ILSVRC's training archive unpacks to. */
const CLASS_TAR = /^n\d{8}\.tar$/i;
const SPLIT_NAMES: Record<Split, RegExp> = {
  train: /train/i,
  val: /val/i,
  test: /test/i,
};

export function isTarName(name: string): boolean {
  return /\.tar$/i.test(name);
}

/** The names in a folder that match a pattern with `*`, `?` and `{000..099}`. */
export async function matchShards(pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  if ((await kindOf(folder)) !== 'folder') return [];
  const ranges: [number, number][] = [];
  const source = basename(pattern).replace(/\{(\d+)\.\.(\d+)\}|\*|\?|[^\w*?]/g, (part, from, to) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (from === undefined) return `\\${part}`;
    ranges.push([Number(from), Number(to)]);
    return '(\\d+)';
  });
  const expression = new RegExp(`^${source}$`);
  return (await listFolder(folder)).files.filter((name) => {
    const numbers = expression.exec(name)?.slice(1).map(Number);
    return numbers?.every((n, i) => n >= ranges[i]![0] && n <= ranges[i]![1]) ?? false;
  });
}

/**
 * Opens the shards of a split among a folder's tar files; where no name says train, val or test, all of them.
 * @param names the tar files in `folder`, sorted
 * @throws UserError when there are none for the split, one is damaged, or labels are missing or out of range
 */
export async function openShards(
  folder: string,
  names: readonly string[],
  options: ShardOptions,
): Promise<ShardSource> {
  const kind: ShardKind = names.every((name) => CLASS_TAR.test(name)) ? 'a class each' : 'webdataset';
  const { own, divided } = shardsOfSplit(folder, names, options);
  const paths = own.map((name) => join(folder, name));
  const index = await recalledOrNew(paths, kind, options.cacheFolder);
  const training =
    divided && options.split !== 'train' ? names.filter((name) => SPLIT_NAMES.train.test(name)) : [];
  const { classes, numbers } = await findClasses(folder, index, kind, options, training);
  checkLabelled(index, paths, options.labels);
  return new ShardSource({
    location: options.location,
    split: divided ? options.split : undefined,
    classes,
    labels: await labelsOfSynsets(folder, classes),
    paths,
    index,
    numbers,
  });
}

/** `val` and `test` stand in for each other where one is missing. */
function shardsOfSplit(
  folder: string,
  names: readonly string[],
  { split, named }: ShardOptions,
): { own: readonly string[]; divided: boolean } {
  const of = (wanted: Split): string[] => names.filter((name) => SPLIT_NAMES[wanted].test(name));
  const present = (['train', 'val', 'test'] as const).filter((wanted) => of(wanted).length > 0);
  if (present.length === 0 || (named && present.length === 1)) return { own: names, divided: false };
  const stand = split === 'val' ? of('test') : split === 'test' ? of('val') : [];
  const own = of(split).length > 0 ? of(split) : stand;
  if (own.length > 0) return { own, divided: true };
  throw new MissingSplitError(
    `${folder} has no tar files for the split ${split} (${split}-000000.tar, …); add them or choose another split`,
  );
}

async function recalledOrNew(
  paths: readonly string[],
  kind: ShardKind,
  cacheFolder: string | undefined,
): Promise<ShardIndex> {
  const key = await fingerprintOf(paths, kind);
  const recalled = await recallIndex(key, cacheFolder);
  if (recalled !== undefined) return recalled;
  const index = await indexShards(paths, kind);
  await rememberIndex(key, index, cacheFolder);
  return index;
}

/** Shards are few, so each is asked for its size and time. */
async function fingerprintOf(paths: readonly string[], kind: ShardKind): Promise<string> {
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

interface Classes {
  readonly classes: readonly string[];
  /** `[index.labelNames]`: the class number of each label as written. */
  readonly numbers: Int32Array;
}

/**
 * Classes in order: those known, those that classes.txt lists, or else all labels of the training shards:
 * numbers from 0 to the largest, names sorted.
 */
async function findClasses(
  folder: string,
  index: ShardIndex,
  kind: ShardKind,
  options: ShardOptions,
  training: readonly string[],
): Promise<Classes> {
  const list = join(folder, 'classes.txt');
  let classes = options.classes;
  if (classes === undefined && (await kindOf(list)) === 'file') {
    classes = (await readLines(list)).map((line) => line.trim());
  }
  if (classes === undefined) {
    const labelled =
      training.length === 0
        ? index
        : await recalledOrNew(
            training.map((name) => join(folder, name)),
            kind,
            options.cacheFolder,
          );
    classes = classesOf(labelled.labelNames);
  }
  if (classes.length < 2 && options.labels === 'required') {
    throw new UserError(
      `${folder} has ${classes.length === 0 ? 'no labels' : `only one class (${classes[0]})`}, and a network needs at least two classes; add a .cls file with the class number for each image`,
    );
  }
  return { classes, numbers: classNumbers(index.labelNames, classes, folder) };
}

function classesOf(labels: readonly string[]): string[] {
  if (!labels.every((label) => /^\d+$/.test(label))) return [...labels].sort();
  const largest = labels.reduce((most, label) => Math.max(most, Number(label)), -1);
  if (largest > 1_000_000)
    throw new UserError(`the class number ${largest} is too large; number classes from 0`);
  return Array.from({ length: largest + 1 }, (_, label) => String(label));
}

function classNumbers(labels: readonly string[], classes: readonly string[], folder: string): Int32Array {
  const numberOf = new Map(classes.map((name, number) => [name, number]));
  return Int32Array.from(labels, (label) => {
    const number = numberOf.get(label) ?? (/^\d+$/.test(label) ? Number(label) : -1);
    if (number >= 0 && number < classes.length) return number;
    throw new UserError(
      `${folder}: an image has the label ${label}, which is not one of the ${classes.length} classes; correct the label or classes.txt`,
    );
  });
}

function checkLabelled(index: ShardIndex, paths: readonly string[], labels: 'required' | 'optional'): void {
  if (labels === 'optional') return;
  const bare = index.files.labels.indexOf(-1);
  if (bare < 0) return;
  throw new UserError(
    `${shardName(index, paths, bare)} has no label; add its class number as a .cls file of the same key`,
  );
}

function shardOf(index: ShardIndex, image: number): number {
  let [low, high] = [0, index.starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (index.starts[middle]! <= image) low = middle;
    else high = middle - 1;
  }
  return low;
}

function shardName(index: ShardIndex, paths: readonly string[], image: number): string {
  return `${paths[shardOf(index, image)]}:${index.files.name(image)}`;
}

interface ShardFacts extends Classes {
  readonly location: string;
  readonly split: Split | undefined;
  readonly labels: readonly string[];
  readonly paths: readonly string[];
  readonly index: ShardIndex;
}

export class ShardSource implements ImageSource {
  readonly location: string;
  readonly split: Split | undefined;
  readonly classes: readonly string[];
  readonly labels: readonly string[];
  readonly #facts: ShardFacts;

  constructor(facts: ShardFacts) {
    this.location = facts.location;
    this.split = facts.split;
    this.classes = facts.classes;
    this.labels = facts.labels;
    this.#facts = facts;
  }

  get length(): number {
    return this.#facts.index.files.length;
  }

  label(index: number): number {
    const label = this.#facts.index.files.labels[index]!;
    return label < 0 ? -1 : this.#facts.numbers[label]!;
  }

  imageName(index: number): string {
    return shardName(this.#facts.index, this.#facts.paths, index);
  }

  async read(index: number): Promise<StoredImage> {
    const { paths, index: shards } = this.#facts;
    const path = paths[shardOf(shards, index)]!;
    const bytes = Buffer.allocUnsafeSlow(shards.sizes[index]!);
    try {
      // Opened for each image: a thousand shards may be more files than a process may hold open.
      const file = await open(path);
      try {
        const { bytesRead } = await file.read(bytes, 0, bytes.length, shards.offsets[index]!);
        if (bytesRead < bytes.length) throw new Error('it has become shorter');
      } finally {
        await file.close();
      }
    } catch (error) {
      throw readingError(this.imageName(index), error);
    }
    return { kind: 'encoded', bytes };
  }

  async fingerprint(): Promise<string> {
    const files = await fingerprintOf(this.#facts.paths, 'webdataset');
    return createHash('sha256')
      .update(`${files}\0${this.classes.join('\0')}`)
      .digest('hex');
  }
}
