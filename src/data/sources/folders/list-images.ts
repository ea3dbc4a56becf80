/** Folders of images: one folder a class, or one flat folder without labels. */
import { join } from 'node:path';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { UserError } from '../../../core/errors.ts';
import { listFolder } from '../files.ts';
import { isImageName } from '../split-names.ts';
import { type FileList, FileListBuilder } from './file-list.ts';

/** Folders are read this many at a time: enough to hide a disk's latency. */
const LISTINGS_AT_ONCE = 8;
/** Deeper than anyone nests images; a link to a parent folder would otherwise be followed for ever. */
const DEEPEST = 16;

/**
 * The images of class folders: `<root>/<class>/…/*.jpg`. Labels are positions in `classes`.
 * @param root the folder that holds the class folders
 * @param folders the class folders to list, a subset of `classes`
 * @throws UserError when a class folder holds no image or names no class.
 */
export async function listClassFolders(
  root: string,
  folders: readonly string[],
  classes: readonly string[],
): Promise<FileList> {
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  const perClass = await mapConcurrently(folders, LISTINGS_AT_ONCE, async (folder) => {
    if (!labelOf.has(folder)) throw unknownClass(root, folder);
    const names = await imagesBelow(root, folder);
    if (names.length === 0) throw noImages(join(root, folder));
    return names;
  });
  const list = new FileListBuilder();
  perClass.forEach((names, i) => {
    const folder = folders[i]!;
    for (const name of names) list.add(name, labelOf.get(folder)!);
  });
  return list.build();
}

/** All images below a folder, none with a label. @throws UserError when there is none. */
export async function listUnlabelled(root: string): Promise<FileList> {
  const list = new FileListBuilder();
  for (const name of await imagesBelow(root, '')) list.add(name, -1);
  const files = list.build();
  if (files.length === 0) throw noImages(root);
  return files;
}

/** Names of the images in `<root>/<folder>` and below it, from the root on: files first, then each folder's. */
async function imagesBelow(root: string, folder: string, depth = 0): Promise<string[]> {
  if (depth > DEEPEST) {
    throw new UserError(
      `${join(root, folder)} is more than ${DEEPEST} folders deep; perhaps a link points to a folder above it: remove it`,
    );
  }
  const { files, folders } = await listFolder(join(root, folder));
  const names = files.filter(isImageName).map((name) => (folder === '' ? name : `${folder}/${name}`));
  for (const inner of folders) {
    const below = await imagesBelow(root, folder === '' ? inner : `${folder}/${inner}`, depth + 1);
    for (const name of below) names.push(name);
  }
  return names;
}

function unknownClass(root: string, folder: string): UserError {
  return new UserError(
    `${join(root, folder)} is a class that the training images do not have; remove the folder or add one of that name to the training images`,
  );
}

function noImages(folder: string): UserError {
  return new UserError(
    `${folder} holds no image (.jpg, .jpeg, .png or .webp); add images or remove the folder`,
  );
}
