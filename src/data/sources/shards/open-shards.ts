/** Opens data sets in tar files: determines which files belong to a split, and which classes there are. */
import { basename, dirname, join } from 'node:path';
import picomatch from 'picomatch';
import { numbersByName } from '../../../core/class-names.ts';
import { UserError } from '../../../core/errors.ts';
import { kindOf, readLines } from '../../../core/files.ts';
import { disk, listFolder } from '../folders/file-tree.ts';
import { isSynset, labelsOfSynsets } from '../ilsvrc/synsets.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { isFileOfSplit, MissingSplitError, type Split, splitAndSubstitute, splitNames } from '../splits.ts';
import { packedColorProfiles } from './packed-color-profiles.ts';
import { openIndex, type ShardKind } from './shard-index.ts';
import { shardSource } from './shard-source.ts';

interface ShardRequest extends OpenRequest {
  /** Whether the tar files were given by name or pattern: then all are used, even if their names contain a split's. */
  readonly named?: boolean;
  /** The split whose folder holds the tar files: then all are used, too. */
  readonly folderOf?: Split;
  /** The classes of the training images, if already known. */
  readonly classes?: readonly string[];
}

export function isTarName(name: string): boolean {
  return /\.tar$/i.test(name);
}

/** Whether a tar file holds one class, as the files in ILSVRC's training archive do. */
export function isClassTar(name: string): boolean {
  return isTarName(name) && isSynset(basename(name).slice(0, -'.tar'.length));
}

/** The names in a folder that match a pattern, where `{000..099}` is a range of numbers with any leading zeros. */
export async function matchShards(pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  if ((await kindOf(folder)) !== 'folder') return [];
  const ranges: [from: number, to: number][] = [];
  const expression = picomatch.makeRe(basename(pattern), {
    expandRange: (from, to) => {
      ranges.push([Number(from), Number(to)]);
      return `(?<range${ranges.length}>\\d+)`;
    },
  });
  return (await listFolder(folder)).files.filter((name) => {
    const match = expression.exec(name);
    const isInRange = ([from, to]: [number, number], i: number): boolean => {
      const number = Number(match?.groups?.[`range${i + 1}`]);
      return number >= from && number <= to;
    };
    return match !== null && ranges.every(isInRange);
  });
}

/**
 * Opens the shards of a split among a folder's tar files, or all of them if no name contains train, val or test.
 * @param names the tar files in `folder`, sorted
 * @throws UserError when the split has none, one is damaged, or labels are missing or out of range
 */
export async function openShards(
  folder: string,
  names: readonly string[],
  request: ShardRequest,
): Promise<ImageSource> {
  const { location, cacheFolder } = request;
  if (request.tree !== disk) {
    throw new UserError(`${folder} holds tar files (${names[0]}); unpack the archive that they are in`);
  }
  const kind: ShardKind = names.every(isClassTar) ? 'a class each' : 'webdataset';
  const { own, found } = shardsOfSplit(folder, names, request);
  const pathsOf = (shards: readonly string[]): string[] => shards.map((name) => join(folder, name));
  const paths = pathsOf(own);
  const index = await openIndex(paths, kind, cacheFolder);
  let classes = request.classes ?? (await listedClasses(folder));
  if (classes === undefined) {
    // Every split has the classes of the training images, where there are any.
    const isOther = found !== undefined && found !== 'train' && request.folderOf === undefined;
    const training = isOther ? names.filter((name) => isFileOfSplit(name, 'train')) : [];
    const labeled = training.length === 0 ? index : await openIndex(pathsOf(training), kind, cacheFolder);
    classes = classesOf(labeled.labelNames);
  }
  const source = shardSource({
    location,
    split: found,
    classes,
    labels: await labelsOfSynsets(request.tree, folder, classes),
    numbers: classNumbers(index.labelNames, classes, folder),
    paths,
    index,
    packedColorProfiles: await packedColorProfiles(folder),
  });
  if (request.labels === 'required') checkLabels(source, request, index.files.labels.indexOf(-1));
  return source;
}

/** Validation and test shards replace each other if one kind is missing. */
function shardsOfSplit(
  folder: string,
  names: readonly string[],
  { split, named, folderOf }: ShardRequest,
): { own: readonly string[]; found?: Split } {
  if (folderOf !== undefined) return { own: names, found: folderOf };
  const of = (wanted: Split): string[] => names.filter((name) => isFileOfSplit(name, wanted));
  const present = splitNames.filter((wanted) => of(wanted).length > 0);
  if (present.length === 0 || (named && present.length === 1)) return { own: names };
  const found = splitAndSubstitute(split).find((candidate) => present.includes(candidate));
  if (found !== undefined) return { own: of(found), found };
  throw new MissingSplitError(
    `${folder} has no tar files for the split ${split} (${split}-000000.tar, …); add them or choose another split`,
  );
}

/** @returns undefined if there is no classes.txt */
async function listedClasses(folder: string): Promise<string[] | undefined> {
  const list = join(folder, 'classes.txt');
  if ((await kindOf(list)) !== 'file') return undefined;
  return (await readLines(list)).map((line) => line.trim());
}

/** If all labels are numbers, the classes are 0 to the largest; otherwise they are the labels, sorted. */
function classesOf(labels: readonly string[]): string[] {
  if (!labels.every((label) => /^\d+$/.test(label))) return [...labels].sort();
  const largest = labels.reduce((most, label) => Math.max(most, Number(label)), -1);
  if (largest > 1_000_000)
    throw new UserError(`the class number ${largest} is too large; number classes from 0`);
  return Array.from({ length: largest + 1 }, (_, label) => String(label));
}

function classNumbers(labels: readonly string[], classes: readonly string[], folder: string): Int32Array {
  const numberOf = numbersByName(classes);
  return Int32Array.from(labels, (label) => {
    const number = numberOf.get(label.normalize('NFC')) ?? (/^\d+$/.test(label) ? Number(label) : -1);
    if (number >= 0 && number < classes.length) return number;
    throw new UserError(
      `${folder}: an image has the label ${label}, which is not one of the ${classes.length} classes; correct the label or classes.txt`,
    );
  });
}

/** @param unlabeled the number of the first image without a label, −1 for none */
function checkLabels(
  { location, classes, imageName }: ImageSource,
  { oneClass }: ShardRequest,
  unlabeled: number,
): void {
  if (classes.length < (oneClass ? 1 : 2)) {
    throw new UserError(
      `${location} has ${classes.length === 0 ? 'no labels' : `only one class (${classes[0]})`}, and a network needs at least two classes; add a .cls file with the class number for each image`,
    );
  }
  if (unlabeled < 0) return;
  throw new UserError(
    `${imageName(unlabeled)} has no label; add its class number as a .cls file with the same key`,
  );
}
