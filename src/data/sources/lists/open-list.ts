/** Opens lists of images: one file, a file for each split, or Hugging Face's metadata files in the folders of splits. */
import { basename, dirname, join } from 'node:path';
import { invisibleDifference, numbersByName, sortClasses } from '../../../core/class-names.ts';
import { UserError } from '../../../core/errors.ts';
import { FileList } from '../file-list.ts';
import { fileSource } from '../folders/file-source.ts';
import type { FileTree, Listing } from '../folders/file-tree.ts';
import { listUnlabeled } from '../folders/listing.ts';
import { UnusedFileCounter, type UnusedFiles } from '../folders/unused-files.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import {
  MissingSplitError,
  type Split,
  splitAndSubstitute,
  splitOfFolder,
  splitsOfFolders,
} from '../splits.ts';
import { chooseColumns, flagged, type ListColumns } from './list-columns.ts';
import { isListName, parseList } from './list-file.ts';
import { findImages } from './list-images.ts';
import type { ListOptions } from './list-location.ts';

/** A list, and the split that its name or folder says; undefined: its rows may say it. */
export interface ListOfSplit {
  readonly path: string;
  readonly split?: Split;
}

interface Row {
  readonly image: string;
  /** Undefined if the list has no labels. */
  readonly label?: string;
  readonly split?: Split;
  /** From 1. */
  readonly line: number;
}

/** Words that the name of a split's list may have besides the split. */
const LIST_WORDS =
  /[ ._-]*(?:labels?|lists?|annotations?|meta(?:data)?|info|solution|ground[ ._-]*truth)[ ._-]*/gi;
const UNDIVIDED = /^(?:labels?|annotations?|metadata|data(?:set)?|images?)\.(?:csv|tsv|jsonl|json)$/i;
const METADATA = /^metadata\.(?:csv|jsonl)$/;

/** The lists in a folder: Hugging Face's metadata files, otherwise files named like splits, or one for everything. */
export async function findLists(tree: FileTree, folder: string, listing: Listing): Promise<ListOfSplit[]> {
  const metadata = listing.files.find((name) => METADATA.test(name));
  if (metadata !== undefined) return [{ path: join(folder, metadata) }];
  const inSplits: ListOfSplit[] = [];
  for (const [name, split] of splitsOfFolders(listing.folders)) {
    const inside = (await tree.listFolder(join(folder, name))).files.find((file) => METADATA.test(file));
    if (inside !== undefined) inSplits.push({ path: join(folder, name, inside), split });
  }
  if (inSplits.length > 0) return inSplits;
  const lists = listing.files.filter((name) => isListName(name) && !/submission/i.test(name));
  const divided = lists.flatMap((name) => {
    const split = splitOfFolder(name.replace(/\.[^.]*$/, '').replace(LIST_WORDS, ''));
    return split === undefined ? [] : [{ path: join(folder, name), split }];
  });
  if (divided.length > 0) return divided;
  const tables = lists.filter((name) => !/\.(?:txt|lst|list|json)$/i.test(name));
  const named = lists.filter((name) => UNDIVIDED.test(name));
  const only = named.length === 1 ? named : tables;
  return only.length === 1 ? [{ path: join(folder, only[0]!) }] : [];
}

/**
 * Opens the images of the requested split. Images are in the order of their classes, then of their paths, as in class
 * folders: the order of a list's lines does not matter.
 * @param lists one without a split, or one for each
 * @param folder the folder that the lists were found in: images in it that no list names are counted as unused
 * @throws UserError naming the list and the line; MissingSplitError when there is no such split
 */
export async function openLists(
  lists: readonly ListOfSplit[],
  request: OpenRequest,
  folder?: string,
): Promise<ImageSource> {
  const { location, tree, list: options = {} } = request;
  const read = readerOf(tree, options);
  const parts = new Map<Split | undefined, SplitRows>();
  for (const list of lists) {
    for (const [split, rows] of divide(await read(list), list)) {
      const other = parts.get(split);
      if (other !== undefined) {
        throw new UserError(
          `${location} has two lists of the same split (${other.list.path}, ${list.path}); remove one, or give the path of a list`,
        );
      }
      parts.set(split, { list, rows });
    }
  }
  const { split, list, rows } = chooseSplit(parts, request);
  const training = parts.get('train')?.rows ?? rows;
  const classes = classesOf(training.some(({ label }) => label !== undefined) ? training : rows, list.path);
  checkLabels(rows, classes, list.path, request);
  const found = await findImages({
    tree,
    path: list.path,
    names: rows.map(({ image }) => image),
    split,
    root: options.root,
  });
  checkRepeats(found.names, rows, list.path);
  const labelOf = numbersByName(classes);
  const images = rows
    .map(({ label }, i) => ({
      name: found.names[i]!,
      label: label === undefined ? -1 : labelOf.get(label.normalize('NFC'))!,
    }))
    .sort((a, b) => a.label - b.label || (a.name < b.name ? -1 : 1));
  return fileSource({
    location,
    split,
    tree,
    root: found.root,
    classes,
    labels: await labelsOfSynsets(tree, dirname(list.path), classes),
    files: FileList.of(
      images.map(({ name }) => name),
      images.map(({ label }) => label),
    ),
    unused: folder === undefined ? undefined : await unlisted(tree, folder, [...parts.values()]),
  });
}

/** A file that is listed twice could be trained on and held out at once, also under two names. */
function checkRepeats(files: readonly string[], rows: readonly Row[], path: string): void {
  const seen = new Map<string, Row>();
  for (const [i, row] of rows.entries()) {
    const before = seen.get(files[i]!);
    if (before !== undefined) {
      const names =
        before.image === row.image ? `${row.image} twice` : `one image as ${before.image} and ${row.image}`;
      throw new UserError(
        `${path} lists ${names}, in lines ${before.line} and ${row.line}; remove one of them`,
      );
    }
    seen.set(files[i]!, row);
  }
}

/** The files of a folder that none of its lists names. */
async function unlisted(tree: FileTree, folder: string, parts: readonly SplitRows[]): Promise<UnusedFiles> {
  const unused = new UnusedFileCounter();
  const found = await listUnlabeled(tree, folder).catch(() => undefined);
  if (found === undefined) return unused.counts;
  const keys = (name: string): string[] => {
    const file = basename(name.replaceAll('\\', '/')).toLowerCase();
    return [file, file.replace(/\.[^.]*$/, '')];
  };
  const listed = new Set(parts.flatMap(({ rows }) => rows.flatMap(({ image }) => keys(image))));
  const others = found.files.all().filter((name) => !keys(name).some((key) => listed.has(key)));
  unused.addUnlisted(others, found.unused);
  return unused.counts;
}

interface SplitRows {
  readonly list: ListOfSplit;
  readonly rows: readonly Row[];
}

/** Reads lists; each is parsed once. */
function readerOf(tree: FileTree, options: ListOptions) {
  return async ({ path }: ListOfSplit): Promise<Row[]> => {
    const table = parseList(await tree.readBytes(path), path);
    if (table.rows.length === 0) throw new UserError(`${path} lists no images; write a line for each image`);
    const columns = chooseColumns(table, path, options);
    const { image } = columns;
    return table.rows.map((row, i) => {
      const line = table.lines[i]!;
      const name = row[image]!;
      if (name === '') throw new UserError(`${path}: line ${line} names no image; add it or remove the line`);
      const label = labelIn(row, columns, table.header, `${path}: line ${line}`);
      return {
        image: name,
        label,
        split: splitIn(row, columns, `${path}: line ${line}`),
        line,
      };
    });
  };
}

function labelIn(
  row: readonly string[],
  { label, classes }: ListColumns,
  header: readonly string[] | undefined,
  place: string,
): string | undefined {
  if (classes === undefined) return label === undefined ? undefined : row[label] || undefined;
  const [only, ...others] = flagged(row, classes);
  if (only !== undefined && others.length === 0) return header![only];
  throw new UserError(
    `${place} has ${others.length + Number(only !== undefined)} classes; put a 1 in one column`,
  );
}

function splitIn(
  row: readonly string[],
  { split: column, splitFlags = [] }: ListColumns,
  place: string,
): Split | undefined {
  if (column !== undefined) {
    const split = splitOfFolder(row[column]!);
    if (split !== undefined) return split;
    throw new UserError(`${place} has the split "${row[column]}"; write train, val or test`);
  }
  if (splitFlags.length === 0) return undefined;
  const [only, ...others] = splitFlags.filter((flag) => isTrue(row[flag.column]!, place));
  if (others.length > 0) throw new UserError(`${place} is in several splits; mark one`);
  // Of a list that marks its training images, the others are for testing.
  return only?.split ?? (splitFlags.some(({ split }) => split === 'train') ? 'test' : 'train');
}

function isTrue(field: string, place: string): boolean {
  if (/^(?:true|yes|1)$/i.test(field)) return true;
  if (/^(?:false|no|0)?$/i.test(field)) return false;
  throw new UserError(`${place} has "${field}" in a column of splits; write True or False`);
}

/** The rows of each split: as the list's name says, or its column, or the folders that its images are in. */
function divide(rows: readonly Row[], { split }: ListOfSplit): Map<Split | undefined, Row[]> {
  if (split !== undefined) return new Map([[split, [...rows]]]);
  const folders = rows.map(({ image }) => /^(?:\.\/)?([^/]+)\//.exec(image)?.[1]);
  const inFolders = folders.map((name) => (name === undefined ? undefined : splitOfFolder(name)));
  const areSplits = new Set(inFolders).size > 1 && !inFolders.includes(undefined);
  const parts = new Map<Split | undefined, Row[]>();
  rows.forEach((row, i) => {
    const part = row.split ?? (areSplits ? inFolders[i] : undefined);
    const others = parts.get(part);
    if (others === undefined) parts.set(part, [row]);
    else others.push(row);
  });
  return parts;
}

function chooseSplit(
  parts: ReadonlyMap<Split | undefined, SplitRows>,
  { location, split, labels }: OpenRequest,
): SplitRows & { readonly split?: Split } {
  const undivided = parts.get(undefined);
  if (undivided !== undefined) return undivided;
  for (const candidate of splitAndSubstitute(split)) {
    const found = parts.get(candidate);
    // Kaggle's test.csv has no labels, so it cannot replace validation images.
    const isUsable = candidate === split || labels === 'optional' || found?.rows.some(({ label }) => label);
    if (found !== undefined && isUsable) return { ...found, split: candidate };
  }
  throw new MissingSplitError(
    `${location} has no list of ${split} images; add ${split}.csv or choose another split`,
  );
}

function classesOf(rows: readonly Row[], path: string): string[] {
  const names = rows.flatMap(({ label }) => (label === undefined ? [] : [label]));
  const distinct = [...new Set(names)];
  const classes = sortClasses([...numbersByName(distinct).values()].map((number) => distinct[number]!));
  const alike = invisibleDifference(classes);
  if (alike !== undefined) throw new UserError(`${path}: ${alike}`);
  return classes;
}

function checkLabels(
  rows: readonly Row[],
  classes: readonly string[],
  path: string,
  { labels, oneClass }: OpenRequest,
): void {
  const known = numbersByName(classes);
  for (const { label, line } of rows) {
    if (label !== undefined && !known.has(label.normalize('NFC'))) {
      throw new UserError(
        `${path}: line ${line} has the class "${label}", which the training images do not have; correct it or remove the line`,
      );
    }
    if (label === undefined && labels === 'required') {
      throw new UserError(`${path}: line ${line} has no label; add one or remove the line`);
    }
  }
  if (labels === 'required' && classes.length < (oneClass ? 1 : 2)) {
    throw new UserError(`${path} has only one class (${classes[0]}), and a network needs at least two`);
  }
}
