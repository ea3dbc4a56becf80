/** Lists folders of images. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { UserError } from '../../../core/errors.ts';
import { kindOf, readingError } from '../../../core/files.ts';
import { IMAGE_EXTENSIONS, isImageName } from '../../pixels/image-formats.ts';
import { FileList } from '../file-list.ts';

/** Number of folders read at a time, which hides a disk's latency. */
const LISTINGS_AT_ONCE = 8;
/** Deeper than anyone nests images; without a limit, a link to a parent folder would be followed forever. */
const MAX_DEPTH = 16;

/** A folder's visible entries, folders and files each sorted by code unit. */
export interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/**
 * Lists a folder. Hidden entries (`.DS_Store`, `._x.jpg`) are left out, and links count as what they point to.
 * @throws UserError naming the folder.
 */
export async function listFolder(path: string): Promise<Listing> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw readingError(path, error);
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (await isFolder(path, entry)) folders.push(entry.name);
    else files.push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort() };
}

async function isFolder(parent: string, entry: Dirent): Promise<boolean> {
  // A link to an image is assumed to lead to a file: following a million of them would take minutes.
  if (!entry.isSymbolicLink() || isImageName(entry.name)) return entry.isDirectory();
  return (await kindOf(`${parent}/${entry.name}`)) === 'folder';
}

/**
 * The images of class folders: `<root>/<class>/…/*.jpg`. Labels are positions in `classes`.
 * @param root the folder that holds the class folders
 * @param folders the class folders to list, a subset of `classes`
 * @throws UserError when a class folder holds no image or is not among the classes.
 */
export async function listClassFolders(
  root: string,
  folders: readonly string[],
  classes: readonly string[],
): Promise<FileList> {
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  const perClass = await mapConcurrently(folders, LISTINGS_AT_ONCE, async (folder) => {
    if (!labelOf.has(folder)) throw unknownClass(root, folder);
    return imagesBelow(root, folder);
  });
  const labels = perClass.flatMap((names, i) => names.map(() => labelOf.get(folders[i]!)!));
  return FileList.of(perClass.flat(), labels);
}

/** All images below a folder, without labels. @throws UserError when there are none. */
export async function listUnlabeled(root: string): Promise<FileList> {
  return FileList.of(await imagesBelow(root, ''));
}

async function imagesBelow(root: string, folder: string): Promise<string[]> {
  const names: string[] = [];
  await addImagesBelow(names, root, folder, 0);
  if (names.length > 0) return names;
  throw new UserError(
    `${join(root, folder)} holds no image (${IMAGE_EXTENSIONS}); add images or remove the folder`,
  );
}

/** Adds the paths from `root` on: the files of `<root>/<folder>`, then those of each folder in it. */
async function addImagesBelow(names: string[], root: string, folder: string, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) {
    throw new UserError(
      `${join(root, folder)} is more than ${MAX_DEPTH} folders deep; if a link there points to a folder above it, remove the link`,
    );
  }
  const { files, folders } = await listFolder(join(root, folder));
  const prefix = folder === '' ? '' : `${folder}/`;
  for (const name of files) if (isImageName(name)) names.push(prefix + name);
  for (const inner of folders) await addImagesBelow(names, root, prefix + inner, depth + 1);
}

function unknownClass(root: string, folder: string): UserError {
  return new UserError(
    `${join(root, folder)} is not a class of the training images; remove the folder, or add one with that name to the training images`,
  );
}
