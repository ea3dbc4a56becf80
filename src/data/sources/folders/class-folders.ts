/** Opens folders of image files: divided into splits or not, with a folder for each class or flat. */
import { basename, join } from 'node:path';
import { numbersByName } from '../../../core/class-names.ts';
import { mapConcurrently } from '../../../core/concurrency.ts';
import { UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import { isTinyValidation, openTinyValidation } from '../ilsvrc/tiny-imagenet.ts';
import { isFlatValidation, openFlatValidation } from '../ilsvrc/validation.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { isClassTar, isTarName, openShards } from '../shards/open-shards.ts';
import { findSplitFolder, MissingSplitError, type Split, splitsOfFolders } from '../splits.ts';
import { fileSource } from './file-source.ts';
import type { FileTree, Listing } from './file-tree.ts';
import { LISTINGS_AT_ONCE, listClassFolders, listUnlabeled } from './listing.ts';

/**
 * Opens a folder that is divided into train, val and test, or holds class folders itself.
 * @throws UserError naming the folder and the remedy
 */
export async function openClassFolders(
  folder: string,
  listing: Listing,
  request: OpenRequest,
): Promise<ImageSource> {
  const { tree } = request;
  if (!(await isDivided(tree, folder, listing))) {
    const trainingClasses = await classesBeside(tree, folder, listing);
    return openSplit({ folder, listing, trainingClasses }, request);
  }
  const found = findSplitFolder(request.split, listing.folders, folder);
  if (found === undefined) {
    throw new MissingSplitError(`${folder} has no ${request.split} folder; add one or choose another split`);
  }
  const inside = await unwrapped(tree, join(folder, found.folder));
  const trainingClasses = await classesOfTraining(tree, folder, listing);
  return openSplit(
    {
      folder: inside,
      listing: await tree.listFolder(inside),
      split: found.split,
      trainingClasses,
      above: [...listing.files, ...(await imagesBeside(tree, folder, listing))],
    },
    request,
  );
}

/** Whether a folder's layout gives the labels, so that a list of images in it is not needed. */
export async function hasClassFolders(tree: FileTree, folder: string, listing: Listing): Promise<boolean> {
  if (!(await isDivided(tree, folder, listing))) {
    return classesOf(listing).length >= 2 || isFlatValidation(listing.files);
  }
  const training = await classesOfTraining(tree, folder, listing);
  return training !== undefined && training.length >= 2;
}

/** A class may also be called "train", but a split's folder contains folders or tar files, not only images. */
async function isDivided(tree: FileTree, folder: string, { folders }: Listing): Promise<boolean> {
  const splits = splitsOfFolders(folders);
  if (splits.size === folders.length) return splits.size > 0;
  for (const split of splits.keys()) {
    const { folders, files } = await tree.listFolder(join(folder, split));
    if (folders.length > 0 || files.some(isTarName) || isFlatValidation(files)) return true;
  }
  return false;
}

/** The images in folders that are not splits, beside those that are. */
async function imagesBeside(tree: FileTree, folder: string, { folders }: Listing): Promise<string[]> {
  const splits = splitsOfFolders(folders);
  const others = folders.filter((name) => !splits.has(name));
  const listed = await mapConcurrently(others, LISTINGS_AT_ONCE, (name) =>
    // Without images, or unreadable, it is not a data set's.
    listUnlabeled(tree, join(folder, name)).catch(() => undefined),
  );
  return listed.flatMap((found) => (found ? found.files.all() : []));
}

/** A split's folder, or the only folder in it if that has the same name: `seg_train/seg_train`. */
async function unwrapped(tree: FileTree, folder: string): Promise<string> {
  const { folders, files } = await tree.listFolder(folder);
  const isSame = folders.length === 1 && folders[0]!.toLowerCase() === basename(folder).toLowerCase();
  return isSame && !files.some(isImageName) ? unwrapped(tree, join(folder, folders[0]!)) : folder;
}

/**
 * The classes of the training images. Other splits use their numbers, since they may lack some classes.
 * @returns undefined if there are no training images
 */
async function classesOfTraining(
  tree: FileTree,
  folder: string,
  { folders }: Listing,
): Promise<string[] | undefined> {
  const train = findSplitFolder('train', folders, folder);
  if (train === undefined) return undefined;
  const inside = await tree.listFolder(await unwrapped(tree, join(folder, train.folder)));
  if (inside.folders.length > 0) return classesOf(inside);
  const tars = inside.files.filter(isClassTar);
  return tars.length > 0 ? tars.map((name) => name.slice(0, -'.tar'.length)) : undefined;
}

/** Folders whose names differ only by Unicode normalization are one class. */
function classesOf({ folders }: Listing): string[] {
  return [...numbersByName(folders).values()].map((number) => folders[number]!);
}

/** The training classes next to a folder of ILSVRC's flat validation images that was opened directly. */
async function classesBeside(
  tree: FileTree,
  folder: string,
  { files }: Listing,
): Promise<string[] | undefined> {
  const above = join(folder, '..');
  if (!isFlatValidation(files) || (await tree.kindOf(above)) !== 'folder') return undefined;
  return classesOfTraining(tree, above, await tree.listFolder(above));
}

interface SplitFolder {
  readonly folder: string;
  readonly listing: Listing;
  /** Undefined if the data set is not divided. */
  readonly split?: Split;
  readonly trainingClasses?: readonly string[];
  /** The files in the folder above, if that is divided, and images in folders there that are no splits. */
  readonly above?: readonly string[];
}

async function openSplit(
  { folder, listing, split, trainingClasses, above = [] }: SplitFolder,
  request: OpenRequest,
): Promise<ImageSource> {
  const { location, tree } = request;
  if (isTinyValidation(listing)) return openTinyValidation(request, folder, trainingClasses);
  if (listing.folders.length === 0) {
    const tars = listing.files.filter(isTarName);
    if (tars.length > 0) {
      return openShards(folder, tars, {
        ...request,
        folderOf: split,
        classes: trainingClasses,
      });
    }
    if (isFlatValidation(listing.files)) {
      return openFlatValidation(request, folder, listing.files, trainingClasses);
    }
  }
  const classes = trainingClasses ?? classesOf(listing);
  const labeled = (await hasLabels(folder, listing, classes, request)) && !isUnlabeled(listing, classes);
  if (!labeled && request.labels === 'required' && split !== undefined && split !== request.split) {
    // Test images without labels cannot replace validation images.
    throw new MissingSplitError(
      `${location} has no ${request.split} folder, and the images in ${folder} have no labels; add one or choose another split`,
    );
  }
  if (!labeled && request.labels === 'required') throw await notEnoughClasses(tree, folder, listing, classes);
  const { files, unused } = labeled
    ? await listClassFolders(tree, folder, listing.folders, classes)
    : await listUnlabeled(tree, folder);
  if (labeled) unused.addBeside([...above, ...listing.files]);
  const known = labeled ? classes : (trainingClasses ?? []);
  return fileSource({
    location,
    split,
    tree,
    root: folder,
    classes: known,
    labels: await labelsOfSynsets(tree, folder, known),
    files,
    unused: unused.counts,
  });
}

/** A single folder is a class if images are in it, and not the data set. */
async function hasLabels(
  folder: string,
  { folders }: Listing,
  classes: readonly string[],
  { tree, oneClass, labels }: OpenRequest,
): Promise<boolean> {
  if (folders.length === 0 || classes.length >= 2) return folders.length > 0;
  const isEnough = oneClass === true && labels === 'required' && classes.length === 1;
  return isEnough && (await innermost(tree, join(folder, folders[0]!))) === undefined;
}

/** Tiny ImageNet's test images are in a folder of this name. */
function isUnlabeled({ folders }: Listing, classes: readonly string[]): boolean {
  return folders.length === 1 && folders[0] === 'images' && !classes.includes('images');
}

async function notEnoughClasses(
  tree: FileTree,
  folder: string,
  listing: Listing,
  classes: readonly string[],
): Promise<UserError> {
  if (isUnlabeled(listing, classes) && classes.length > 0) {
    return new UserError(`${folder}/images holds images without labels; choose another split`);
  }
  if (listing.folders.length === 1 && classes.length === 1) {
    const inner = await innermost(tree, join(folder, listing.folders[0]!));
    return new UserError(
      inner === undefined
        ? `${folder} has only one class (${classes[0]}), and a network needs at least two; add a folder of images for each class`
        : `${folder} has only one folder, and the data set is inside it; give the path ${inner}`,
    );
  }
  return new UserError(
    listing.files.some(isImageName)
      ? `${folder} holds images but no class folders; put the images of each class into their own folder`
      : `${folder} holds no images; give a folder that has a folder of images for each class`,
  );
}

/** The folder in which several folders are, at the end of a chain of single ones; undefined: images are in the chain. */
export async function innermost(tree: FileTree, folder: string): Promise<string | undefined> {
  const { folders, files } = await tree.listFolder(folder);
  if (files.some(isImageName) || folders.length === 0) return undefined;
  return folders.length > 1 ? folder : innermost(tree, join(folder, folders[0]!));
}
