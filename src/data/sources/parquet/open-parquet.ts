/** Opens data sets in Parquet files, as Hugging Face writes them: `train-00000-of-00002.parquet`, `data/`, `train/`. */
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { numbersByName, sortClasses } from '../../../core/class-names.ts';
import { UserError } from '../../../core/errors.ts';
import { withFile } from '../../../core/random-access-file.ts';
import type { FileTree, Listing } from '../folders/file-tree.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { MissingSplitError, type Split, splitAndSubstitute, splitsOfFolders } from '../splits.ts';
import { parquetColumns } from './parquet-columns.ts';
import {
  indexPages,
  openParquet,
  type PageIndex,
  type ParquetFile,
  readPage,
  readValues,
} from './parquet-file.ts';

/** Most bytes of unpacked pages in memory, for all data sets. */
const CACHE_BYTES = 256 * 2 ** 20;
/** The end of a file describes all its pages; a change of the images changes it. */
const FOOTER_BYTES = 64 * 1024;

type Page = readonly (Uint8Array | undefined)[];

export function isParquetName(name: string): boolean {
  return /\.parquet$/i.test(name);
}

/** Parquet files by split; undefined: the files are not divided. */
export type ParquetFiles = ReadonlyMap<Split | undefined, readonly string[]>;

/** The Parquet files in a folder, in folders called like splits, or in the only folder with any, such as `data`. */
export async function findParquet(tree: FileTree, folder: string, listing: Listing): Promise<ParquetFiles> {
  const files = new Map<Split | undefined, string[]>();
  const add = (split: Split | undefined, path: string): void => {
    files.set(split, [...(files.get(split) ?? []), path]);
  };
  const own = listing.files.filter(isParquetName);
  const splitIn = splitsOfFolders([...new Set(own.map(withoutNumbers))]);
  for (const name of own) add(splitIn.get(withoutNumbers(name)), join(folder, name));
  if (files.size > 0) return files;
  // Class folders may be many, and none of them is called like these.
  const splits = splitsOfFolders(listing.folders);
  const likely = listing.folders.filter(
    (name) => splits.has(name) || name === 'data' || listing.folders.length === 1,
  );
  const inside = await Promise.all(
    likely.map(async (name) => ({
      name,
      ...(await tree.listFolder(join(folder, name)).catch(() => NOTHING)),
    })),
  );
  const filled = inside.filter((inner) => inner.files.some(isParquetName));
  for (const { name, files: names } of filled.filter((inner) => splits.has(inner.name))) {
    for (const file of names.filter(isParquetName)) add(splits.get(name), join(folder, name, file));
  }
  const [only] = filled;
  if (files.size > 0 || filled.length !== 1) return files;
  return findParquet(tree, join(folder, only!.name), { files: only!.files, folders: [] });
}

/** `train` for `train-00000-of-00002.parquet`. */
function withoutNumbers(name: string): string {
  return name.replace(/(?:-\d+-of-\d+.*)?\.parquet$/i, '');
}

const NOTHING: Listing = { folders: [], files: [] };

/** Rows of files, and their labels. */
interface Part {
  readonly files: readonly ParquetFile[];
  readonly image: readonly string[];
  /** Labels by row, as class numbers of `names` or as text; undefined or −1 for none. */
  readonly labels: readonly (string | number | undefined)[];
  readonly names?: readonly string[];
}

/**
 * Opens the split's files. Images are in the order of the files and their rows.
 * @throws UserError naming the file and the fault; MissingSplitError when there are no files of the split
 */
export async function openParquetFiles(files: ParquetFiles, request: OpenRequest): Promise<ImageSource> {
  const { location, labels: needed, tree } = request;
  const { split, part } = await chooseSplit(files, request);
  const training = split === undefined || split === 'train' ? undefined : files.get('train');
  const numbered = part.names ?? (training && (await readPart(training, request)).names);
  const classes = numbered ?? classesOf(training ? await readPart(training, request) : part, part);
  const numberOf = numbersByName(classes);
  const labels = Int32Array.from(part.labels, (label, row) => {
    const number =
      typeof label === 'number' ? label : label === undefined ? -1 : numberOf.get(label.normalize('NFC'));
    if (number !== undefined && number >= -1 && number < classes.length) return number;
    throw new UserError(
      `${nameOf(part, row)} has the label ${label}, which is not one of the ${classes.length} classes`,
    );
  });
  if (needed === 'required') checkLabels(part, classes, labels, request);
  const pages = new Map<ParquetFile, Promise<PageIndex>>();
  return {
    location,
    split,
    classes,
    labels: await labelsOfSynsets(tree, location, classes),
    length: labels.length,
    label: (row) => labels[row]!,
    imageName: (row) => nameOf(part, row),
    read: async (row) => ({ kind: 'encoded', bytes: await readImage(part, row, pages) }),
    fingerprint: () => fingerprintOf(part, classes),
  };
}

async function chooseSplit(
  files: ParquetFiles,
  request: OpenRequest,
): Promise<{ readonly split?: Split; readonly part: Part }> {
  const { location, split, labels } = request;
  const undivided = files.get(undefined);
  if (files.size === 1 && undivided !== undefined) return { part: await readPart(undivided, request) };
  for (const candidate of splitAndSubstitute(split)) {
    const paths = files.get(candidate);
    if (paths === undefined) continue;
    const part = await readPart(paths, request);
    // The test split of many data sets has no labels, so it cannot replace validation images.
    const isLabeled = part.labels.some((label) => label !== undefined && label !== -1);
    if (candidate === split || labels === 'optional' || isLabeled) return { split: candidate, part };
  }
  throw new MissingSplitError(
    `${location} has no Parquet files of the split ${split} (${split}-00000-of-00001.parquet); choose another split`,
  );
}

async function readPart(paths: readonly string[], { list }: OpenRequest): Promise<Part> {
  checkComplete(paths);
  const files: ParquetFile[] = [];
  const labels: (string | number | undefined)[] = [];
  let columns: ReturnType<typeof parquetColumns> | undefined;
  for (const path of paths) {
    const file = await openParquet(path);
    const own = parquetColumns(file, list);
    columns ??= own;
    if (
      own.image.join('\0') !== columns.image.join('\0') ||
      own.label !== columns.label ||
      own.classes?.join() !== columns.classes?.join()
    ) {
      throw new UserError(
        `${path} has other columns or classes than ${paths[0]}; keep files of one data set in a folder`,
      );
    }
    files.push(file);
    const values = own.label === undefined ? [] : await readValues(file, own.label);
    for (let row = 0; row < file.rows; row++) {
      labels.push(labelOf(values[row], own.classes !== undefined, `${path} row ${row}`));
    }
  }
  const { image, label, classes, isGuess } = columns!;
  if (labels.length === 0) throw new UserError(`${paths[0]} has no rows; give a file with images`);
  // Captions and measurements are not classes.
  if (isGuess && labels.length >= 10 && new Set(labels).size > labels.length / 2) {
    throw new UserError(
      `${paths[0]}: it is unclear whether its column ${label} has the labels; choose with --columns IMAGE,LABEL`,
    );
  }
  return { files, image, labels, names: classes };
}

/**
 * @param isNumber whether the labels are class numbers; other whole numbers are names of classes
 * @throws UserError for what is no label, and for several of them
 */
function labelOf(value: unknown, isNumber: boolean, place: string): string | number | undefined {
  if (value === undefined || value === null || Number.isNaN(value)) return undefined;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value !== 'object') return isNumber ? Number(value) : String(value);
  const [only, ...others] = Array.isArray(value) ? (value as unknown[]) : [value, value];
  if (others.length === 0) return labelOf(only, isNumber, place);
  throw new UserError(
    `${place} has several labels, and a network here learns one for each image; choose another column with --columns IMAGE,LABEL`,
  );
}

/** @throws UserError when a file of `…-00000-of-00002` is missing */
function checkComplete(paths: readonly string[]): void {
  for (const path of paths) {
    const [, start, count] = /^(.*-)\d{5}-of-(\d{5})/.exec(path) ?? [];
    if (start === undefined) continue;
    const present = paths.filter((other) => other.startsWith(start) && other.includes(`-of-${count}`)).length;
    if (present !== Number(count)) {
      throw new UserError(
        `${basename(path)} is one of ${Number(count)} files, but ${present} are there; add the others`,
      );
    }
  }
}

function classesOf(training: Part, part: Part): string[] {
  const names = (training.labels.some((label) => label !== undefined) ? training : part).labels;
  return sortClasses([...new Set(names.flatMap((label) => (label === undefined ? [] : [String(label)])))]);
}

function checkLabels(
  part: Part,
  classes: readonly string[],
  labels: Int32Array,
  { oneClass }: OpenRequest,
): void {
  if (classes.length < (oneClass ? 1 : 2)) {
    const found = classes.length === 0 ? 'no labels' : `only one class (${classes[0]})`;
    throw new UserError(
      `${part.files[0]!.path} has ${found}, and a network needs at least two classes; choose the column with --columns IMAGE,LABEL`,
    );
  }
  const unlabeled = labels.indexOf(-1);
  if (unlabeled < 0) return;
  const count = labels.filter((label) => label === -1).length;
  throw new UserError(
    `${nameOf(part, unlabeled)} has no label${count < labels.length ? `, like ${count} of ${labels.length} rows; remove them from the file` : ', like all rows'}, or choose another split`,
  );
}

/** The file of a row of all files, and the row in it. */
function locate({ files }: Part, row: number): [file: ParquetFile, row: number] {
  let own = row;
  for (const file of files) {
    if (own < file.rows) return [file, own];
    own -= file.rows;
  }
  throw new RangeError(`no row ${row}`);
}

function nameOf(part: Part, row: number): string {
  const [{ path }, own] = locate(part, row);
  return `${path} row ${own}`;
}

/** Pages by file and number. A page counts its unpacked bytes. */
const cache = new LRUCache<string, { readonly page: Promise<Page>; readonly bytes: number }>({
  maxSize: CACHE_BYTES,
  sizeCalculation: ({ bytes }) => bytes + 1,
});
let opened = 0;
/** Tells files in the cache apart that were opened one after the other at the same path. */
const ids = new WeakMap<ParquetFile, number>();

async function readImage(
  part: Part,
  row: number,
  indexes: Map<ParquetFile, Promise<PageIndex>>,
): Promise<Uint8Array> {
  const [file, own] = locate(part, row);
  let index = indexes.get(file);
  if (index === undefined) {
    index = indexPages(file, part.image);
    indexes.set(file, index);
  }
  const pages = await index;
  const number = pageOf(pages, own);
  if (!ids.has(file)) ids.set(file, opened++);
  const key = `${ids.get(file)} ${number}`;
  const page = cache.get(key)?.page ?? readPage(file, part.image, pages, number);
  cache.set(key, { page, bytes: pages.unpackedSizes[number]! });
  const bytes = (await page)[own - pages.firstRows[number]!];
  if (bytes === undefined) {
    throw new UserError(
      `${nameOf(part, row)} has no image; remove the row, or give a data set that has the images and not only their paths`,
    );
  }
  // A copy, since a view would keep the whole page in memory.
  return Uint8Array.from(bytes);
}

/** The page that holds a row. */
function pageOf({ firstRows }: PageIndex, row: number): number {
  let [low, high] = [0, firstRows.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (firstRows[middle]! <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A hash of the files' sizes and of their ends, which hold sizes and statistics of all pages. */
async function fingerprintOf({ files }: Part, classes: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(`parquet\0${classes.join('\0')}\0\0`);
  for (const { path } of files) {
    await withFile(path, async (file) => {
      const length = Math.min(FOOTER_BYTES, file.size);
      hash.update(`${basename(path)}\0${file.size}\n`).update(await file.read(file.size - length, length));
    });
  }
  return hash.digest('hex');
}
