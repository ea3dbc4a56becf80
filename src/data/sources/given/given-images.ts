/** Images as a person names them: files, folders, patterns and addresses. */
import { basename, posix, resolve } from 'node:path';
import picomatch from 'picomatch';
import { printable, UserError } from '../../../core/errors.ts';
import { kindOf } from '../../../core/files.ts';
import { withSlashes } from '../../../core/paths.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { archiveAbove, contentFolder, openArchive } from '../archives/open-archive.ts';
import { disk, type FileTree } from '../folders/file-tree.ts';
import { listUnlabeled } from '../folders/listing.ts';
import { UnusedFileCounter, type UnusedFiles } from '../folders/unused-files.ts';
import { isListName } from '../lists/list-file.ts';
import { parseListLocation } from '../lists/list-location.ts';
import { openSplits } from '../open-images.ts';
import { findParquet, isParquetName } from '../parquet/open-parquet.ts';
import { type Split, splitsOfFolders } from '../splits.ts';
import { type GivenImage, givenImage, type ImageInput, isAddress } from './image-input.ts';

/** Folders that `**` descends; a link to a parent folder would otherwise be followed forever. */
const MAX_DEPTH = 16;

export interface GivenImages {
  readonly images: readonly GivenImage[];
  /** Files in folders, or matching a pattern, that are not images. */
  readonly unused: UnusedFiles;
}

/**
 * Replaces folders, zip and tar files, lists, Parquet files and patterns (`photos/*.jpg`, `photos/**`) by the images
 * in them. What cannot be listed is an image
 * whose reading fails, so that it does not stop the others.
 * @throws UsageError for inputs of other types
 */
export async function listGivenImages(inputs: readonly ImageInput[]): Promise<GivenImages> {
  const images: GivenImage[] = [];
  const unused = new UnusedFileCounter();
  for (const [i, input] of inputs.entries()) {
    if (typeof input !== 'string' || isAddress(input)) {
      images.push(givenImage(input, inputs.length === 1 ? undefined : `image ${i + 1} of ${inputs.length}`));
      continue;
    }
    for (const image of await orFailing(input, imagesAt(input, inputs.length > 1, unused)))
      images.push(image);
  }
  return { images, unused: unused.counts };
}

async function imagesAt(
  path: string,
  isOneOfSeveral: boolean,
  unused: UnusedFileCounter,
): Promise<readonly GivenImage[]> {
  const kind = await kindOf(path);
  if (await isTable(path, kind)) return imagesOfDataSet(path);
  if (kind === 'folder') return imagesBelow(disk, path, isOneOfSeveral, unused);
  const archive = kind === 'file' && /\.(?:zip|tar)$/i.test(path) ? path : await archiveAbove(path);
  if (archive !== undefined) {
    const tree = await openArchive(archive);
    if ((await tree.kindOf(path)) === 'folder') return imagesBelow(tree, path, isOneOfSeveral, unused);
    return [{ name: path, read: () => tree.readBytes(path) }];
  }
  // A file may have a name that looks like a pattern.
  // In patterns a backslash escapes, but a person on Windows writes it between folders.
  const pattern = withSlashes(path);
  return kind === 'nothing' && picomatch.scan(pattern).isGlob ? matches(pattern, unused) : [givenImage(path)];
}

/** Whether a path is a list of images, a Parquet file or a folder of those. */
async function isTable(path: string, kind: 'folder' | 'file' | 'nothing'): Promise<boolean> {
  if (kind === 'folder') return (await findParquet(disk, path, await disk.listFolder(path))).size > 0;
  const file = kind === 'file' ? path : parseListLocation(path).path;
  return (isListName(file) || isParquetName(file)) && (await kindOf(file)) === 'file';
}

/** The images of all splits of a data set, with their classes. */
async function imagesOfDataSet(location: string): Promise<readonly GivenImage[]> {
  const images: GivenImage[] = [];
  for (const { source } of await openSplits(location, 'optional')) {
    for (let i = 0; i < source.length; i++) {
      images.push({
        name: source.imageName(i),
        label: source.classes[source.label(i)],
        read: async () => {
          const stored = await source.read(i);
          // Lists and Parquet files have no pixels.
          return stored.kind === 'encoded' ? stored.bytes : stored.image.pixels;
        },
      });
    }
  }
  return images;
}

/**
 * The images below a folder, labeled as in training: by the class folder, which may be in the folder of a split.
 * @param isOneOfSeveral of several folders, those with images directly in them are classes themselves
 */
async function imagesBelow(
  tree: FileTree,
  folder: string,
  isOneOfSeveral: boolean,
  unused: UnusedFileCounter,
): Promise<readonly GivenImage[]> {
  const root = tree === disk ? folder : await contentFolder(tree, folder);
  const { files, unused: others } = await listUnlabeled(tree, root);
  unused.addAll(others);
  const names = files.all();
  const isClass = isOneOfSeveral && names.some((name) => !name.includes('/'));
  const own = isClass ? basename(resolve(folder)) : undefined;
  const splits = splitsOfFolders([...new Set(names.map((name) => name.split('/', 1)[0]!))]);
  return names.map((name) => {
    const path = posix.join(withSlashes(root), name);
    return { name: path, label: own ?? classOf(name, splits), read: () => tree.readBytes(path) };
  });
}

function classOf(name: string, splits: ReadonlyMap<string, Split>): string | undefined {
  const folders = name.split('/').slice(0, -1);
  const [first, second] = folders;
  return first !== undefined && second !== undefined && splits.has(first) ? second : first;
}

/** @throws UserError when nothing matches */
async function matches(text: string, unused: UnusedFileCounter): Promise<readonly GivenImage[]> {
  const pattern = text.replace(/^(?:\.\/+)+|\/+$/g, '').replace(/\/{2,}/g, '/');
  const { base, glob } = picomatch.scan(pattern);
  const isMatch = picomatch(pattern);
  const found = new Map<string, GivenImage>();
  const visit = async (folder: string, depth: number): Promise<void> => {
    const { folders, files } = await disk.listFolder(folder === '' ? '.' : folder);
    const pathOf = (name: string) => (folder === '' ? name : posix.join(folder, name));
    for (const path of files.map(pathOf).filter((path) => isMatch(path))) {
      if (isImageName(path)) found.set(path, givenImage(path));
      else unused.add(basename(path));
    }
    for (const path of folders.map(pathOf)) {
      // As in a shell, a folder that matches counts as named; a final `**` reaches the files in it anyway.
      if (isMatch(path) && !pattern.endsWith('**')) {
        for (const image of await orFailing(path, imagesBelow(disk, path, true, unused)))
          found.set(image.name, image);
      } else if (depth > 1) {
        const failed = await orFailing(
          path,
          visit(path, depth - 1).then(() => []),
        );
        for (const image of failed) found.set(path, image);
      }
    }
  };
  const depth = glob.includes('**') ? MAX_DEPTH : glob.split('/').length;
  if ((await kindOf(base === '' ? '.' : base)) === 'folder') await visit(base, depth);
  if (found.size > 0) return [...found.values()];
  throw new UserError(`no image matches the pattern ${printable(text)}; check it`);
}

/** In place of what cannot be listed, an image whose reading fails. */
async function orFailing(
  name: string,
  listed: Promise<readonly GivenImage[]>,
): Promise<readonly GivenImage[]> {
  try {
    return await listed;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ name, read: () => Promise.reject(error) }];
  }
}
