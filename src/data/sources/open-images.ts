/** Determines which kind of data set is at a location and opens it as a source of images. */
import { basename, dirname } from 'node:path';
import picomatch from 'picomatch';
import { printable, UsageError, UserError } from '../../core/errors.ts';
import { kindOf } from '../../core/files.ts';
import { withSlashes } from '../../core/paths.ts';
import { isImageName } from '../pixels/image-formats.ts';
import {
  archiveAbove,
  contentFolder,
  isZipName,
  openArchive,
  refuseOtherArchives,
} from './archives/open-archive.ts';
import { isShard } from './archives/tar-archive.ts';
import { findCifar, openCifar } from './cifar.ts';
import { FileList } from './file-list.ts';
import { hasClassFolders, openClassFolders } from './folders/class-folders.ts';
import { fileSource } from './folders/file-source.ts';
import { disk, type Listing } from './folders/file-tree.ts';
import { isIdxImagesName, openIdx, openIdxFile } from './idx.ts';
import { findKaggleFolder } from './ilsvrc/validation.ts';
import type { ImageSource, OpenRequest } from './image-source.ts';
import { isListName } from './lists/list-file.ts';
import { parseListLocation } from './lists/list-location.ts';
import { findLists, openLists } from './lists/open-list.ts';
import { findParquet, isParquetName, openParquetFiles, type ParquetFiles } from './parquet/open-parquet.ts';
import { isClassTar, isTarName, matchShards, openShards } from './shards/open-shards.ts';
import { MissingSplitError, type Split, splitNames, splitsOfFolders } from './splits.ts';

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
  /** Whether images of a single class are enough, as for an evaluation (default false: a network needs two). */
  readonly oneClass?: boolean;
  /** Folder that keeps the indexes of tar files between runs (default: the user's cache folder). */
  readonly cacheFolder?: string;
}

/**
 * Opens a data set: class folders, divided into train/ and val/ or test/ (or `Training`, `valid`, `test_set` and the
 * like) or not, also in a zip or tar file; lists of images (CSV, text, JSON lines), alone or in a folder; Parquet files;
 * Tiny ImageNet; ILSVRC-2012 from Kaggle or from the original archives; WebDataset tar shards (a folder, a file or a
 * pattern such as `train-{000..099}.tar`); IDX files (MNIST and its relatives); CIFAR's binary files; and with
 * `labels: 'optional'` any folder of images or one image. The guide to data sets (docs/guides/data.md) has examples.
 * @param location path of a folder or a file, or a pattern; for a list or Parquet files, options may follow:
 *   `labels.csv?image=id&label=breed&root=photos` (columns, and the folder of the images)
 * @throws UserError naming the place and the remedy when nothing there can be used; MissingSplitError (a UserError)
 *   when the data set is divided but does not have the split
 * @example
 * const source = await openImages('photos', { split: 'val' });
 * console.log(`${source.length} images of ${source.classes.length} classes`);
 */
export async function openImages(location: string, options: OpenOptions = {}): Promise<ImageSource> {
  const { split = 'train', labels = 'required', oneClass, cacheFolder } = options;
  const isPath = (await kindOf(location)) !== 'nothing';
  const { path, list } = isPath ? { path: location } : parseListLocation(location);
  const open = { nothing: openPattern, file: openFile, folder: openFolder }[await kindOf(path)];
  const source = await open(path, { location, split, tree: disk, labels, oneClass, cacheFolder, list });
  if (options.exact) checkSplit(source, split, labels);
  return source;
}

/** A split of a data set. */
export interface SplitSource {
  readonly name: Split;
  readonly source: ImageSource;
}

/** Opens all splits of a data set; only `train` if it is not divided. @throws UserError as openImages does */
export async function openSplits(
  location: string,
  labels: NonNullable<OpenOptions['labels']>,
): Promise<SplitSource[]> {
  const found: SplitSource[] = [];
  for (const split of splitNames) {
    try {
      const source = await openImages(location, { split, labels });
      // `val` and `test` replace each other, and an undivided set is the same for each split.
      if (source.split === split || found.length === 0) found.push({ name: source.split ?? 'train', source });
    } catch (error) {
      if (!(error instanceof MissingSplitError)) throw error;
    }
  }
  if (found.length === 0) throw new UserError(`${location} has no images; check the path`);
  return found;
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

/** Columns belong to lists and Parquet files, the folder of the images to lists only. */
function refuseListOptions(path: string, { list }: OpenRequest): void {
  if (list !== undefined) {
    throw new UsageError(`${path} is not a list of images; leave out --columns and --root`);
  }
}

function openParquet(path: string, files: ParquetFiles, request: OpenRequest): Promise<ImageSource> {
  if (request.list?.root !== undefined) {
    throw new UsageError(`${path} holds the images themselves; leave out --root`);
  }
  return openParquetFiles(files, request);
}

async function openFolder(folder: string, request: OpenRequest): Promise<ImageSource> {
  const listing = await request.tree.listFolder(folder);
  const parquet = await findParquet(disk, folder, listing);
  if (parquet.size > 0) return openParquet(folder, parquet, request);
  const lists = await findLists(request.tree, folder, listing);
  if (lists.length === 0) refuseListOptions(folder, request);
  if (listing.files.some(isIdxImagesName)) return openIdx(folder, listing.files, request.split);
  const cifar = findCifar(folder, listing);
  if (cifar !== undefined) return openCifar(cifar, request.split);
  const archive = listing.files.find(isZipName);
  if (archive !== undefined && listing.folders.length === 0 && !listing.files.some(isImageName)) {
    throw new UserError(`${folder} holds no images but an archive; give its path, ${folder}/${archive}`);
  }
  const shards = listing.files.filter(isTarName);
  // ILSVRC's archives may still be next to the folders that they were unpacked to.
  if (shards.length > 0 && listing.folders.length === 0) return openShards(folder, shards, request);
  return openImageFiles(folder, listing, request);
}

/** Opens a folder of image files, which may be in an archive. */
async function openImageFiles(folder: string, listing: Listing, request: OpenRequest): Promise<ImageSource> {
  const { tree } = request;
  const kaggle = await findKaggleFolder(tree, folder);
  if (kaggle !== undefined) return openClassFolders(kaggle, await tree.listFolder(kaggle), request);
  const lists = await findLists(tree, folder, listing);
  if (request.list !== undefined) {
    if (lists.length === 0) refuseListOptions(folder, request);
    return openLists(lists, request, folder);
  }
  if (lists.length === 0) return openClassFolders(folder, listing, request);
  // Lists of several splits divide images that the folders do not divide.
  const divide = lists.length > 1 && splitsOfFolders(listing.folders).size === 0;
  if (divide || !(await hasClassFolders(tree, folder, listing))) {
    if (request.labels === 'required') return openLists(lists, request, folder);
    // The list may be about other images than those without labels.
    return openLists(lists, request, folder).catch(() => openClassFolders(folder, listing, request));
  }
  const source = await openClassFolders(folder, listing, request);
  const listed = await openLists(lists, request).catch(() => undefined);
  const folders = new Set(source.classes);
  // Class numbers, as in Caffe's lists, do not contradict names.
  const agrees = (name: string) => folders.has(name) || /^\d+$/.test(name);
  if (listed === undefined || listed.classes.some(agrees)) return source;
  throw new UserError(
    `${folder} has folders of images (${preview(source.classes)}) and the list ${lists[0]!.path} with other labels (${preview(listed.classes)}); give the path of the list, or move it elsewhere`,
  );
}

function preview(classes: readonly string[]): string {
  return classes.length <= 3 ? classes.join(', ') : `${classes.slice(0, 3).join(', ')}, …`;
}

/** @param path the archive, or a folder or file in it */
async function openInArchive(archive: string, path: string, request: OpenRequest): Promise<ImageSource> {
  const tree = await openArchive(archive);
  const kind = await tree.kindOf(path);
  if (kind === 'nothing') throw new UserError(`${path} does not exist in ${archive}; check the path`);
  const inside = { ...request, tree };
  if (kind === 'file') {
    if (isZipName(path) || isTarName(path)) {
      throw new UserError(`${path} is an archive in an archive; unpack ${archive} and give the path there`);
    }
    return openFile(path, inside);
  }
  const folder = path === archive ? await contentFolder(tree, archive) : path;
  return openImageFiles(folder, await tree.listFolder(folder), inside);
}

async function openFile(path: string, request: OpenRequest): Promise<ImageSource> {
  if (isListName(path)) return openLists([{ path }], request);
  if (isParquetName(path)) return openParquet(path, new Map([[undefined, [path]]]), request);
  if (isZipName(path)) return openInArchive(path, path, request);
  if (isTarName(path)) {
    const isTree = !isClassTar(path) && !isShard((await openArchive(path)).names);
    if (isTree) return openInArchive(path, path, request);
    refuseListOptions(path, request);
    return openShards(dirname(path), [basename(path)], { ...request, named: true });
  }
  refuseListOptions(path, request);
  if (isIdxImagesName(path)) return openIdxFile(path);
  if (isImageName(path) && request.labels === 'optional') {
    return fileSource({
      location: path,
      tree: request.tree,
      root: '',
      classes: [],
      files: FileList.of([path]),
    });
  }
  refuseOtherArchives(path);
  throw new UserError(
    `${path} is not a data set; give a folder or an archive (.zip, .tar) of images, a list (.csv, .tsv, .txt, .jsonl, .json), Parquet or IDX files`,
  );
}

async function openPattern(pattern: string, request: OpenRequest): Promise<ImageSource> {
  const archive = await archiveAbove(pattern);
  if (archive !== undefined) return openInArchive(archive, pattern, request);
  refuseListOptions(pattern, request);
  const shards = picomatch.scan(withSlashes(pattern)).isGlob ? await matchShards(pattern) : [];
  if (shards.length > 0) return openShards(dirname(pattern), shards, { ...request, named: true });
  throw new UserError(`${printable(pattern)} does not exist; check the path`);
}
