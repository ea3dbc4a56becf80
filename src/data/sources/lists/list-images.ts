/** Finds the image files that a list names. */
import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import type { FileTree } from '../folders/file-tree.ts';
import { listUnlabeled } from '../folders/listing.ts';
import { type Split, splitsOfFolders } from '../splits.ts';

/** How many names are tried in each folder. */
const PROBES = 20;

export interface FoundImages {
  /** The folder that `names` start from. */
  readonly root: string;
  readonly names: readonly string[];
}

interface ListedNames {
  readonly tree: FileTree;
  /** The list's path. */
  readonly path: string;
  /** The names as written. */
  readonly names: readonly string[];
  readonly split?: Split;
  /** The folder that the names start from, if it was given. */
  readonly root?: string;
}

/**
 * The files of the names: paths from the list's folder, a folder in it or one above it, or file names with or without
 * extension that are anywhere below it (Kaggle's `id`). Files that are missing are left to whoever reads them.
 * @throws UserError when there is no file for any of the names, or two for one
 */
export async function findImages({ tree, path, names, split, root }: ListedNames): Promise<FoundImages> {
  const folder = root ?? dirname(path);
  const written = names.map((name) => posix.normalize(name.replaceAll('\\', '/')));
  const step = Math.max(1, Math.floor(written.length / PROBES));
  const probes = written.filter((_, i) => i % step === 0);
  const { folders } = (await tree.kindOf(folder)) === 'folder' ? await tree.listFolder(folder) : NOTHING;
  // A list without a split is about the training images, where folders are called like splits.
  const splits = splitsOfFolders(folders);
  const own = folders.filter((name) => splits.get(name) === (split ?? 'train'));
  const inside = [...own, ...folders.filter((name) => !own.includes(name))];
  const around = [...inside.map((name) => join(folder, name)), ...above(folder)];
  let best = { root: folder, hits: 0 };
  for (const candidate of root === undefined ? [folder, ...around] : [folder]) {
    const kinds = await Promise.all(probes.map((probe) => tree.kindOf(from(candidate, probe))));
    const hits = kinds.filter((kind) => kind === 'file').length;
    const isOwn = best.root === folder || own.some((name) => best.root === join(folder, name));
    if (hits > 0 && hits === best.hits && !isOwn) {
      throw new UserError(
        `${path}: both ${best.root} and ${candidate} have its images; give the right folder with --root`,
      );
    }
    if (hits > best.hits) best = { root: candidate, hits };
    // A file that is missing from the list's folder is not looked for elsewhere.
    if (best.hits > 0 && best.root === folder) break;
  }
  // Names with folders are paths; others may be in several folders.
  const arePaths = written.some((name) => name.includes('/'));
  const isFound = best.hits === probes.length || (best.hits > 0 && (arePaths || best.root === folder));
  const paths = isFound ? undefined : await byName(tree, folder, own, written, path);
  if (paths !== undefined) return { root: '', names: paths };
  if (best.hits === 0) {
    throw new UserError(
      `${path}: none of its ${names.length} images is in ${folder} (the first is ${names[0]}); give the folder of the images with --root`,
    );
  }
  return written.some(isAbsolute)
    ? { root: '', names: written.map((name) => from(best.root, name)) }
    : { root: best.root, names: written };
}

const NOTHING = { folders: [] };

function from(folder: string, name: string): string {
  return isAbsolute(name) ? name : join(folder, name);
}

/** The folders that a list's paths may start from if they repeat the names of folders: `data/photos/cat/1.jpg`. */
function above(folder: string): string[] {
  return ['..', '../..', '../../..'].map((up) => join(folder, up));
}

/**
 * The path of each name, by the file's name with or without extension. If no name fits as written, its case does not matter.
 * @param own the folders in `folder` that come first
 * @returns undefined if there is none
 */
async function byName(
  tree: FileTree,
  folder: string,
  own: readonly string[],
  names: readonly string[],
  list: string,
): Promise<string[] | undefined> {
  if ((await tree.kindOf(folder)) !== 'folder') return undefined;
  const files = await listUnlabeled(tree, folder).then(
    (listed) => listed.files.all(),
    () => [],
  );
  for (const keyOf of [(name: string) => name, (name: string) => name.toLowerCase()]) {
    const paths = pathsByName(
      files,
      own,
      new Set(names.map((name) => keyOf(basename(name)))),
      keyOf,
      (key, a, b) => {
        throw new UserError(
          `${list} names ${key}, but ${folder} has two such images (${a}, ${b}); give the folder of its images with --root`,
        );
      },
    );
    if (paths.size === 0) continue;
    const missing = (name: string) => (isImageName(name) ? name : `${name}.jpg`);
    return names.map((name) => join(folder, paths.get(keyOf(basename(name))) ?? missing(name)));
  }
  return undefined;
}

/** The paths of the wanted names; of two with the same name, the one in the folders that come first. */
function pathsByName(
  files: readonly string[],
  own: readonly string[],
  wanted: ReadonlySet<string>,
  keyOf: (name: string) => string,
  refuse: (key: string, one: string, other: string) => never,
): Map<string, string> {
  const paths = new Map<string, string>();
  const isOwn = (file: string) => own.some((name) => file.startsWith(`${name}/`));
  for (const file of files) {
    const name = keyOf(basename(file));
    for (const key of new Set([name, name.replace(/\.[^.]*$/, '')])) {
      const other = paths.get(key);
      if (!wanted.has(key) || (other !== undefined && isOwn(other) && !isOwn(file))) continue;
      if (other !== undefined && isOwn(other) === isOwn(file)) refuse(key, other, file);
      paths.set(key, file);
    }
  }
  return paths;
}
