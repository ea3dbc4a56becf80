/** Finds out what stands at a location and opens it as a source of images. */
import { basename, dirname } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { kindOf } from '../../core/files.ts';
import { findCifar, openCifar } from './cifar.ts';
import { listFolder } from './files.ts';
import { type FolderOptions, openClassFolders } from './folders/class-folders.ts';
import { FileListBuilder } from './folders/file-list.ts';
import { FileSource } from './folders/file-source.ts';
import { isIdxImagesName, openIdx, openIdxFile } from './idx/idx-source.ts';
import { findKaggleFolder } from './ilsvrc/validation.ts';
import { isTarName, matchShards, openShards } from './shards/shards.ts';
import type { ImageSource, Split } from './source.ts';
import { isImageName } from './split-names.ts';

export { MissingSplitError } from './missing-split.ts';

export interface OpenOptions {
  /**
   * Which part of a divided data set; train unless said otherwise. Where there are no validation images the
   * test images serve, and the other way round: the source's own `split` says which it is.
   */
  readonly split?: Split;
  /** Whether images without labels will do (prediction, submission); they get the label −1. */
  readonly labels?: 'required' | 'optional';
  /** Where indexes of tar files are remembered; undefined: the user's cache folder. */
  readonly cacheFolder?: string;
}

/**
 * Opens a data set: class folders (divided into train/ and val/ or test/, or not), ILSVRC-2012 as Kaggle
 * or the original archives have it, WebDataset tar shards (a folder, a file or a pattern), IDX files (the
 * MNIST family), CIFAR's binary files, and with `labels: 'optional'` any folder of images, or one image.
 * @throws UserError naming the place and the remedy when there is nothing usable; MissingSplitError when
 *   the data set is divided but lacks the split
 */
export async function openImages(location: string, options: OpenOptions = {}): Promise<ImageSource> {
  const chosen = {
    location,
    split: options.split ?? 'train',
    labels: options.labels ?? 'required',
    cacheFolder: options.cacheFolder,
  };
  switch (await kindOf(location)) {
    case 'nothing':
      return openPattern(location, chosen);
    case 'file':
      return openFile(location, chosen);
    case 'folder':
      return openFolder(location, chosen);
  }
}

async function openFolder(folder: string, options: FolderOptions): Promise<ImageSource> {
  const listing = await listFolder(folder);
  if (listing.files.some(isIdxImagesName)) return openIdx(folder, listing.files, options.split);
  const cifar = findCifar(folder, listing);
  if (cifar !== undefined) return openCifar(cifar, options.split);
  const kaggle = await findKaggleFolder(folder);
  if (kaggle !== undefined) return openClassFolders(kaggle, await listFolder(kaggle), options);
  const shards = listing.files.filter(isTarName);
  // ILSVRC's archives may still lie beside the folders that they were unpacked to.
  if (shards.length > 0 && listing.folders.length === 0) return openShards(folder, shards, options);
  return openClassFolders(folder, listing, options);
}

async function openFile(path: string, options: FolderOptions): Promise<ImageSource> {
  if (isIdxImagesName(path)) return openIdxFile(path);
  if (isTarName(path)) {
    return openShards(dirname(path), [basename(path)], { ...options, named: true });
  }
  if (isImageName(path) && options.labels === 'optional') return openImageFiles([path]);
  throw new UserError(`${path} is not a data set; give a folder of images, tar shards or IDX files`);
}

async function openPattern(pattern: string, options: FolderOptions): Promise<ImageSource> {
  const shards = /[*?{]/.test(pattern) ? (await matchShards(pattern)).filter(isTarName) : [];
  if (shards.length > 0) return openShards(dirname(pattern), shards, { ...options, named: true });
  throw new UserError(`${pattern} does not exist; check the path`);
}

/** Images that were named one by one, without labels. They are looked at only when they are read. */
export function openImageFiles(paths: readonly string[]): ImageSource {
  const files = new FileListBuilder();
  for (const path of paths) files.add(path, -1);
  return new FileSource({
    location: paths.length === 1 ? paths[0]! : `${paths.length} images`,
    split: undefined,
    root: '',
    classes: [],
    files: files.build(),
  });
}
