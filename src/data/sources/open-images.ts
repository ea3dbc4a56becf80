/** Determines which kind of data set is at a location and opens it as a source of images. */
import { basename, dirname } from 'node:path';
import picomatch from 'picomatch';
import { UserError } from '../../core/errors.ts';
import { kindOf } from '../../core/files.ts';
import { isImageName } from '../pixels/image-formats.ts';
import { findCifar, openCifar } from './cifar.ts';
import { FileList } from './file-list.ts';
import { openClassFolders } from './folders/class-folders.ts';
import { fileSource } from './folders/file-source.ts';
import { disk } from './folders/file-tree.ts';
import { isIdxImagesName, openIdx, openIdxFile } from './idx.ts';
import { findKaggleFolder } from './ilsvrc/validation.ts';
import type { ImageSource, OpenRequest } from './image-source.ts';
import { isTarName, matchShards, openShards } from './shards/open-shards.ts';
import { MissingSplitError, type Split } from './splits.ts';

export interface OpenOptions {
  /**
   * Which split of a divided data set to open (default: `'train'`). If there are no validation images, the test images
   * replace them, and vice versa; the opened source's `split` is the actual split.
   */
  readonly split?: Split;
  /** Whether a data set without this split is an error (default false); see `split`. */
  readonly exact?: boolean;
  /**
   * Whether each image must have a label (default: `'required'`). With `'optional'`, images without one have the label
   * −1, as for prediction or a submission.
   */
  readonly labels?: 'required' | 'optional';
  /** Folder that keeps the indexes of tar files between runs (default: the user's cache folder). */
  readonly cacheFolder?: string;
}

/**
 * Opens a data set: class folders, divided into train/ and val/ or test/ (or `Training`, `valid`, `test_set` and the
 * like) or not; Tiny ImageNet; ILSVRC-2012 from Kaggle or from the
 * original archives; WebDataset tar shards (a folder, a file or a pattern such as `train-{000..099}.tar`); IDX files
 * (MNIST and its relatives); CIFAR's binary files; and with `labels: 'optional'` any folder of images or one image.
 * @param location path of a folder or a file, or a pattern
 * @throws UserError naming the place and the remedy when nothing there can be used; MissingSplitError (a UserError)
 *   when the data set is divided but does not have the split
 * @example
 * const source = await openImages('photos', { split: 'val' });
 * console.log(`${source.length} images of ${source.classes.length} classes`);
 */
export async function openImages(location: string, options: OpenOptions = {}): Promise<ImageSource> {
  const { split = 'train', labels = 'required', cacheFolder } = options;
  const open = { nothing: openPattern, file: openFile, folder: openFolder }[await kindOf(location)];
  const source = await open(location, { location, split, tree: disk, labels, cacheFolder });
  if (options.exact) checkSplit(source, split, labels);
  return source;
}

/** Data that is not divided has training images only, or images without labels, for any use. */
function checkSplit(
  { location, split: found }: ImageSource,
  split: Split,
  labels: OpenRequest['labels'],
): void {
  if (found === split || (found === undefined && (split === 'train' || labels === 'optional'))) return;
  throw new MissingSplitError(
    found === undefined
      ? `${location} is not divided into splits, so it has no ${split} split; leave out --split, or add a ${split} folder`
      : `${location} has no ${split} split, only ${found} images; use --split ${found}, or add a ${split} folder`,
  );
}

async function openFolder(folder: string, request: OpenRequest): Promise<ImageSource> {
  const listing = await disk.listFolder(folder);
  if (listing.files.some(isIdxImagesName)) return openIdx(folder, listing.files, request.split);
  const cifar = findCifar(folder, listing);
  if (cifar !== undefined) return openCifar(cifar, request.split);
  const kaggle = await findKaggleFolder(disk, folder);
  if (kaggle !== undefined) return openClassFolders(kaggle, await disk.listFolder(kaggle), request);
  const shards = listing.files.filter(isTarName);
  // ILSVRC's archives may still be next to the folders that they were unpacked to.
  if (shards.length > 0 && listing.folders.length === 0) return openShards(folder, shards, request);
  return openClassFolders(folder, listing, request);
}

async function openFile(path: string, request: OpenRequest): Promise<ImageSource> {
  if (isIdxImagesName(path)) return openIdxFile(path);
  if (isTarName(path)) return openShards(dirname(path), [basename(path)], { ...request, named: true });
  if (isImageName(path) && request.labels === 'optional') {
    return fileSource({ location: path, tree: disk, root: '', classes: [], files: FileList.of([path]) });
  }
  throw new UserError(`${path} is not a data set; give a folder of images, tar shards or IDX files`);
}

async function openPattern(pattern: string, request: OpenRequest): Promise<ImageSource> {
  const shards = picomatch.scan(pattern).isGlob ? await matchShards(pattern) : [];
  if (shards.length > 0) return openShards(dirname(pattern), shards, { ...request, named: true });
  throw new UserError(`${pattern} does not exist; check the path`);
}
