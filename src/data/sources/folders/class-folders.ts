/** Opens folders of image files: divided into splits or not, with a folder for each class or flat. */
import { join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf } from '../../../core/files.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import { isFlatValidation, openFlatValidation } from '../ilsvrc/validation.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { isClassTar, isTarName, openShards } from '../shards/open-shards.ts';
import { findSplitFolder, isSplitFolder, MissingSplitError, type Split } from '../splits.ts';
import { fileSource } from './file-source.ts';
import { type Listing, listClassFolders, listFolder, listUnlabeled } from './listing.ts';

/**
 * Opens a folder that is divided into train, val and test, or holds class folders itself.
 * @throws UserError naming the folder and the remedy
 */
export async function openClassFolders(
  folder: string,
  listing: Listing,
  request: OpenRequest,
): Promise<ImageSource> {
  if (!(await isDivided(folder, listing))) {
    const trainingClasses = await classesBeside(folder, listing);
    return openSplit({ folder, listing, trainingClasses }, request);
  }
  const found = findSplitFolder(request.split, (name) => listing.folders.includes(name));
  if (found === undefined) {
    throw new MissingSplitError(`${folder} has no ${request.split} folder; add one or choose another split`);
  }
  const inside = join(folder, found.folder);
  const trainingClasses = await classesOfTraining(folder, listing);
  return openSplit(
    { folder: inside, listing: await listFolder(inside), split: found.split, trainingClasses },
    request,
  );
}

/** A class may also be called "train", but a split's folder contains folders or tar files, not only images. */
async function isDivided(folder: string, { folders }: Listing): Promise<boolean> {
  const splits = folders.filter(isSplitFolder);
  if (splits.length === folders.length) return splits.length > 0;
  for (const split of splits) {
    const { folders, files } = await listFolder(join(folder, split));
    if (folders.length > 0 || files.some(isTarName) || isFlatValidation(files)) return true;
  }
  return false;
}

/**
 * The classes of the training images. Other splits use their numbers, since they may lack some classes.
 * @returns undefined if there are no training images
 */
async function classesOfTraining(folder: string, { folders }: Listing): Promise<string[] | undefined> {
  const train = findSplitFolder('train', (name) => folders.includes(name));
  if (train === undefined) return undefined;
  const inside = await listFolder(join(folder, train.folder));
  if (inside.folders.length > 0) return [...inside.folders];
  const tars = inside.files.filter(isClassTar);
  return tars.length > 0 ? tars.map((name) => name.slice(0, -'.tar'.length)) : undefined;
}

/** The training classes next to a folder of ILSVRC's flat validation images that was opened directly. */
async function classesBeside(folder: string, { files }: Listing): Promise<string[] | undefined> {
  const above = join(folder, '..');
  if (!isFlatValidation(files) || (await kindOf(above)) !== 'folder') return undefined;
  return classesOfTraining(above, await listFolder(above));
}

interface SplitFolder {
  readonly folder: string;
  readonly listing: Listing;
  /** Undefined if the data set is not divided. */
  readonly split?: Split;
  readonly trainingClasses?: readonly string[];
}

async function openSplit(
  { folder, listing, split, trainingClasses }: SplitFolder,
  request: OpenRequest,
): Promise<ImageSource> {
  const { location } = request;
  if (listing.folders.length === 0) {
    const tars = listing.files.filter(isTarName);
    if (tars.length > 0) {
      return openShards(folder, tars, {
        ...request,
        split: split ?? request.split,
        classes: trainingClasses,
      });
    }
    if (isFlatValidation(listing.files)) {
      return openFlatValidation(location, folder, listing.files, trainingClasses);
    }
  }
  const classes = trainingClasses ?? listing.folders;
  const labeled = listing.folders.length > 0 && classes.length >= 2;
  if (!labeled && request.labels === 'required') throw notEnoughClasses(folder, listing, classes);
  const known = labeled ? classes : (trainingClasses ?? []);
  return fileSource({
    location,
    split,
    root: folder,
    classes: known,
    labels: await labelsOfSynsets(folder, known),
    files: labeled ? await listClassFolders(folder, listing.folders, classes) : await listUnlabeled(folder),
  });
}

function notEnoughClasses(folder: string, listing: Listing, classes: readonly string[]): UserError {
  if (listing.folders.length === 1 && classes.length === 1) {
    return new UserError(
      `${folder} has only one class (${classes[0]}), and a network needs at least two; add a folder of images for each class`,
    );
  }
  return new UserError(
    listing.files.some(isImageName)
      ? `${folder} holds images but no class folders; put the images of each class into their own folder`
      : `${folder} holds no images; give a folder that has a folder of images for each class`,
  );
}
