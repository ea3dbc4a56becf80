/** Lists folders of images. */
import { join } from 'node:path';
import {
  describeDifference,
  invisibleDifference,
  lookAlike,
  numbersByName,
} from '../../../core/class-names.ts';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { UserError } from '../../../core/errors.ts';
import { reportProgress } from '../../../core/progress-channel.ts';
import { IMAGE_EXTENSIONS, isImageName } from '../../pixels/image-formats.ts';
import { FileList } from '../file-list.ts';
import { checkClassFolders } from '../splits.ts';
import type { FileTree, Listing } from './file-tree.ts';
import { howToConvert, listKinds, UnusedFileCounter } from './unused-files.ts';

/** Number of folders read at a time, which hides a disk's latency. */
export const LISTINGS_AT_ONCE = 8;
/** Deeper than anyone nests images; without a limit, a link to a parent folder would be followed forever. */
const MAX_DEPTH = 16;

/** Images, and the files beside them that were not used. */
export interface ListedImages {
  readonly files: FileList;
  readonly unused: UnusedFileCounter;
}

/**
 * The images of class folders: `<root>/<class>/…/*.jpg`. Labels are positions in `classes`.
 * @param tree where the folders are
 * @param root the folder that holds the class folders
 * @param folders the class folders to list, a subset of `classes`
 * @throws UserError when a class folder holds no image, is not among the classes or does not look like a class.
 */
export async function listClassFolders(
  tree: FileTree,
  root: string,
  folders: readonly string[],
  classes: readonly string[],
): Promise<ListedImages> {
  const labelOf = numbersByName(classes);
  const alike = invisibleDifference(classes);
  if (alike !== undefined) throw new UserError(`${root}: ${alike}`);
  const unused = new UnusedFileCounter();
  let done = 0;
  const report = (done: number) => reportProgress({ label: `listing ${root}`, done, total: folders.length });
  const list = async (folder: string) => {
    const label = labelOf.get(folder.normalize('NFC'));
    if (label === undefined) throw unknownClass(root, folder, classes);
    const { names, folders } = await imagesBelow(tree, root, folder, unused);
    report(++done);
    // Names as strings take several times as much memory, so each class is packed at once.
    return { folder, folders, files: FileList.of(names, Array<number>(names.length).fill(label)) };
  };
  report(0);
  const perClass = await mapConcurrently(folders, LISTINGS_AT_ONCE, list).finally(() =>
    report(folders.length),
  );
  checkClassFolders(root, new Map(perClass.map(({ folder, folders }) => [folder, folders])));
  return { files: FileList.concat(perClass.map(({ files }) => files)), unused };
}

/** All images below a folder, without labels. @throws UserError when there are none. */
export async function listUnlabeled(tree: FileTree, root: string): Promise<ListedImages> {
  const unused = new UnusedFileCounter();
  return { files: FileList.of((await imagesBelow(tree, root, '', unused)).names), unused };
}

/** The images below a folder, as paths from `root` on, and the folders where they part. */
async function imagesBelow(
  tree: FileTree,
  root: string,
  folder: string,
  unused: UnusedFileCounter,
): Promise<{ readonly names: readonly string[]; readonly folders: readonly string[] }> {
  const names: string[] = [];
  const own = new UnusedFileCounter();
  const listing = await tree.listFolder(join(root, folder));
  await addImages({ tree, names, unused: own, root }, folder, listing, 0);
  unused.addAll(own);
  if (names.length > 0) return { names, folders: foldersAtFork(names) };
  const others = own.counts.size > 0 ? `, but ${listKinds(own.counts)}` : '';
  throw new UserError(
    `${join(root, folder)} holds no image (${IMAGE_EXTENSIONS})${others}; ${howToConvert(own.counts) ?? 'add images or remove the folder'}`,
  );
}

/** The folders in the innermost folder that holds all images. */
function foldersAtFork(names: readonly string[]): string[] {
  const inner = names.filter((name) => name.includes('/'));
  let start = 0;
  for (;;) {
    const end = inner[0]?.indexOf('/', start) ?? -1;
    const prefix = inner[0]?.slice(0, end + 1) ?? '';
    if (end < 0 || !names.every((name) => name.startsWith(prefix))) break;
    start = prefix.length;
  }
  const folders = new Set<string>();
  for (const name of inner) {
    const end = name.indexOf('/', start);
    if (end >= 0) folders.add(name.slice(start, end));
  }
  return [...folders];
}

interface Found {
  readonly tree: FileTree;
  readonly root: string;
  readonly names: string[];
  readonly unused: UnusedFileCounter;
}

/** Adds the files of a folder, then those of each folder in it. */
async function addImages(found: Found, folder: string, listing: Listing, depth: number): Promise<void> {
  const { tree, root, names, unused } = found;
  if (depth > MAX_DEPTH) {
    throw new UserError(
      `${join(root, folder)} is more than ${MAX_DEPTH} folders deep; if a link there points to a folder above it, remove the link`,
    );
  }
  const prefix = folder === '' ? '' : `${folder}/`;
  for (const name of listing.files) {
    if (isImageName(name)) names.push(prefix + name);
    else unused.add(name);
  }
  for (const inner of listing.folders) {
    const path = prefix + inner;
    const before = names.length;
    const inside = await tree.listFolder(join(root, path)).catch(() => undefined);
    if (inside !== undefined) await addImages(found, path, inside, depth + 1);
    // Whatever reads it finds out why it cannot be read, and may leave it out.
    const isBad = inside === undefined || (isImageName(inner) && names.length === before);
    if (isBad) names.push(path);
  }
}

function unknownClass(root: string, folder: string, classes: readonly string[]): UserError {
  const other = lookAlike(folder, classes);
  const remedy =
    other === undefined
      ? 'remove the folder, or add one with that name to the training images'
      : `it looks like the class "${other}", but ${describeDifference(folder, other)}; rename one of them`;
  return new UserError(`${join(root, folder)} is not a class of the training images; ${remedy}`);
}
