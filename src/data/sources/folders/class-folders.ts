/** Folders of image files: divided by split or not, with a folder a class or flat. */
import { join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf } from '../../../core/files.ts';
import { type Listing, listFolder } from '../files.ts';
import { labelsOfSynsets } from '../ilsvrc/synsets.ts';
import { isFlatValidation, openFlatValidation } from '../ilsvrc/validation.ts';
import { MissingSplitError } from '../missing-split.ts';
import { isTarName, openShards } from '../shards/shards.ts';
import type { ImageSource, Split } from '../source.ts';
import { isImageName, SPLIT_FOLDERS, TEST_FOLDERS } from '../split-names.ts';
import { FileSource } from './file-source.ts';
import { listClassFolders, listUnlabelled } from './list-images.ts';

export interface FolderOptions {
  /** What the person named, for messages. */
  readonly location: string;
  readonly split: Split;
  readonly labels: 'required' | 'optional';
  readonly cacheFolder?: string;
}

/**
 * Opens a folder that is divided into train, val and test, or holds class folders itself.
 * @throws UserError naming the folder and the remedy
 */
export async function openClassFolders(
  folder: string,
  listing: Listing,
  options: FolderOptions,
): Promise<ImageSource> {
  if (!(await isDivided(folder, listing))) {
    const classes = await classesBeside(folder, listing);
    return openPart({ folder, listing, split: undefined, trainingClasses: classes }, options);
  }
  const part = SPLIT_FOLDERS[options.split].find((name) => listing.folders.includes(name));
  if (part === undefined) {
    throw new MissingSplitError(
      `${folder} has no folder for the split ${options.split} (${SPLIT_FOLDERS[options.split].slice(0, 2).join(', ')}); add one or choose another split`,
    );
  }
  return openPart(
    {
      folder: join(folder, part),
      listing: await listFolder(join(folder, part)),
      split: TEST_FOLDERS.includes(part) ? 'test' : options.split === 'train' ? 'train' : 'val',
      trainingClasses: await trainingClasses(folder, listing),
    },
    options,
  );
}

/** A class may be called "train" too: a split's folder has folders or tar files inside, not just images. */
async function isDivided(folder: string, { folders }: Listing): Promise<boolean> {
  const splits = [...SPLIT_FOLDERS.train, ...SPLIT_FOLDERS.val].filter((name) => folders.includes(name));
  if (splits.length === folders.length) return splits.length > 0;
  for (const split of splits) {
    const inside = await listFolder(join(folder, split));
    if (inside.folders.length > 0 || inside.files.some(isTarName) || isFlatValidation(inside.files))
      return true;
  }
  return false;
}

/**
 * Part of the classes may have no validation images; the numbers of the others stay those of training.
 * @returns undefined where there are no training images
 */
async function trainingClasses(folder: string, { folders }: Listing): Promise<string[] | undefined> {
  const part = SPLIT_FOLDERS.train.find((name) => folders.includes(name));
  if (part === undefined) return undefined;
  const inside = await listFolder(join(folder, part));
  if (inside.folders.length > 0) return [...inside.folders];
  const tars = inside.files.filter((name) => /^n\d{8}\.tar$/i.test(name));
  return tars.length > 0 ? tars.map((name) => name.slice(0, -'.tar'.length)) : undefined;
}

/** The training classes, when a folder of flat ILSVRC validation images was named itself. */
async function classesBeside(folder: string, { files }: Listing): Promise<string[] | undefined> {
  const above = join(folder, '..');
  if (!isFlatValidation(files) || (await kindOf(above)) !== 'folder') return undefined;
  return trainingClasses(above, await listFolder(above));
}

interface Part {
  readonly folder: string;
  readonly listing: Listing;
  /** Undefined where the location is not divided. */
  readonly split: Split | undefined;
  readonly trainingClasses: readonly string[] | undefined;
}

async function openPart(part: Part, options: FolderOptions): Promise<ImageSource> {
  const { folder, listing, split } = part;
  const { location, labels } = options;
  const tars = listing.files.filter(isTarName);
  if (tars.length > 0 && listing.folders.length === 0) {
    return openShards(folder, tars, {
      ...options,
      split: split ?? options.split,
      classes: part.trainingClasses,
    });
  }
  if (listing.folders.length === 0 && isFlatValidation(listing.files)) {
    return openFlatValidation(location, folder, listing.files, part.trainingClasses);
  }
  const classes = part.trainingClasses ?? listing.folders;
  const facts = { location, split, root: folder };
  if (listing.folders.length === 0 || classes.length < 2) {
    if (labels === 'required') throw notEnoughClasses(folder, listing, classes);
    const known = part.trainingClasses ?? [];
    return new FileSource({
      ...facts,
      classes: known,
      labels: await labelsOfSynsets(folder, known),
      files: await listUnlabelled(folder),
    });
  }
  return new FileSource({
    ...facts,
    classes,
    labels: await labelsOfSynsets(folder, classes),
    files: await listClassFolders(folder, listing.folders, classes),
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
      ? `${folder} holds images but no class folders; put the images of each class into a folder of its own`
      : `${folder} holds no images; give a folder with a folder of images for each class`,
  );
}
