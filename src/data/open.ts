/** Finds out what stands at a location and opens it as a source of images. */
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { FileSource } from './file-source.ts';
import { isImageName, kindOf, type Listing, listFolder } from './files.ts';
import { listClassFolders, listUnlabelled } from './folder.ts';
import { isIdxImagesName, openIdx, openIdxFile } from './idx-source.ts';
import type { ImageSource, Split } from './source.ts';

export interface OpenOptions {
  /** Which part of a divided data set. `val` falls back to what there is of val, validation, test. */
  readonly split?: Split | undefined;
  /** Whether images without labels will do (prediction, submission); they get the label −1. */
  readonly labels?: 'required' | 'optional' | undefined;
}

/** The folder names that a split may have, the preferred first. */
const SPLIT_FOLDERS: Record<Split, readonly string[]> = {
  train: ['train', 'training'],
  val: ['val', 'validation', 'valid', 'test'],
  test: ['test', 'testing', 'val', 'validation', 'valid'],
};

/**
 * Opens a data set: class folders (divided into train/ and val/ or test/, or not), or IDX files.
 * @throws UserError naming the place and the remedy when there is nothing usable.
 */
export async function openImages(location: string, options: OpenOptions = {}): Promise<ImageSource> {
  const split = options.split ?? 'train';
  switch (await kindOf(location)) {
    case 'nothing':
      throw new UserError(`${location} does not exist; check the path`);
    case 'file':
      if (isIdxImagesName(location)) return openIdxFile(location);
      throw new UserError(`${location} is not a data set; give a folder of images`);
    case 'folder':
      return openFolder(location, split, options.labels ?? 'required');
  }
}

async function openFolder(
  location: string,
  split: Split,
  labels: 'required' | 'optional',
): Promise<ImageSource> {
  const listing = await listFolder(location);
  if (listing.files.some(isIdxImagesName)) return openIdx(location, listing.files, split);
  const training = SPLIT_FOLDERS.train.find((name) => listing.folders.includes(name));
  const folder = SPLIT_FOLDERS[split].find((name) => listing.folders.includes(name));
  const divided = [...SPLIT_FOLDERS.train, ...SPLIT_FOLDERS.val].some((name) =>
    listing.folders.includes(name),
  );
  if (!divided) return openClassFolders(location, location, undefined, listing, labels);
  if (folder === undefined) {
    throw new UserError(
      `${location} has no folder for the split ${split} (${SPLIT_FOLDERS[split].join(', ')}); add one or choose another split`,
    );
  }
  const trainingClasses =
    training === undefined ? undefined : (await listFolder(join(location, training))).folders;
  return openClassFolders(location, join(location, folder), { split, trainingClasses }, undefined, labels);
}

async function openClassFolders(
  location: string,
  root: string,
  divided: { split: Split; trainingClasses: readonly string[] | undefined } | undefined,
  known: Listing | undefined,
  labels: 'required' | 'optional',
): Promise<ImageSource> {
  const listing = known ?? (await listFolder(root));
  const facts = { location, root, split: divided?.split };
  // Part of the classes may have no validation images; the numbers of the others stay those of training.
  const classes = divided?.trainingClasses ?? listing.folders;
  const flat = listing.folders.length === 0 || classes.length < 2;
  if (flat && labels === 'optional') {
    return new FileSource({ ...facts, classes: [], files: await listUnlabelled(root) });
  }
  if (flat) throw notEnoughClasses(root, listing, classes);
  return new FileSource({ ...facts, classes, files: await listClassFolders(root, listing.folders, classes) });
}

function notEnoughClasses(root: string, listing: Listing, classes: readonly string[]): UserError {
  if (classes.length === 1) {
    return new UserError(
      `${root} has only one class (${classes[0]}), and a network needs at least two; add a folder of images for each class`,
    );
  }
  return new UserError(
    listing.files.some(isImageName)
      ? `${root} holds images but no class folders; put the images of each class into a folder of its own`
      : `${root} holds no images; give a folder with a folder of images for each class`,
  );
}
