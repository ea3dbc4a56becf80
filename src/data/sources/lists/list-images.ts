/** Finds the image files that a list names. */
import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import type { FileTree } from '../folders/file-tree.ts';
import { listUnlabeled } from '../folders/listing.ts';
import { type Split, splitOfFolder } from '../splits.ts';

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
 * The files of the names: paths from the list's folder or a folder in it, or file names with or without extension that
 * are anywhere below it (Kaggle's `id`). Files that are missing are left to whoever reads them.
 * @throws UserError when there is no file for any of the names
 */
export async function findImages({ tree, path, names, split, root }: ListedNames): Promise<FoundImages> {
  const folder = root ?? dirname(path);
  const written = names.map((name) => posix.normalize(name.replaceAll('\\', '/')));
  if (written.some(isAbsolute)) {
    return { root: '', names: written.map((name) => (isAbsolute(name) ? name : join(folder, name))) };
  }
  const step = Math.max(1, Math.floor(written.length / PROBES));
  const probes = written.filter((_, i) => i % step === 0);
  const { folders } =
    (await tree.kindOf(folder)) === 'folder' ? await tree.listFolder(folder) : { folders: [] };
  const own = folders.filter((name) => split !== undefined && splitOfFolder(name) === split);
  // Without a split's own folder, those of other splits may still have the images.
  const inside = own.length > 0 ? own : folders;
  const candidates = root === undefined ? [folder, ...inside.map((name) => join(folder, name))] : [root];
  let best = { root: folder, hits: 0 };
  for (const candidate of candidates) {
    const kinds = await Promise.all(probes.map((probe) => tree.kindOf(join(candidate, probe))));
    const hits = kinds.filter((kind) => kind === 'file').length;
    if (hits > best.hits) best = { root: candidate, hits };
    // A file that is missing from the list's folder is not looked for elsewhere.
    if (best.hits > 0 && best.root === folder) return { root: folder, names: written };
  }
  if (best.hits === probes.length) return { root: best.root, names: written };
  const searched = own.length > 0 ? own.map((name) => join(folder, name)) : [folder];
  const found = (await Promise.all(searched.map((place) => namesBelow(tree, place)))).flat();
  const paths = pathsOf(found, written, path);
  if (paths !== undefined) return { root: '', names: paths };
  if (best.hits > 0) return { root: best.root, names: written };
  throw new UserError(
    `${path}: none of its ${names.length} images is in ${folder} (the first is ${names[0]}); give the folder of the images with --root`,
  );
}

async function namesBelow(tree: FileTree, folder: string): Promise<string[]> {
  if ((await tree.kindOf(folder)) !== 'folder') return [];
  const { files } = await listUnlabeled(tree, folder).catch(() => ({ files: undefined }));
  return Array.from({ length: files?.length ?? 0 }, (_, i) => join(folder, files!.name(i)));
}

/** The path of each name, by the file's name with or without extension. @returns undefined if there is none */
function pathsOf(files: readonly string[], names: readonly string[], list: string): string[] | undefined {
  const wanted = new Set(names);
  const paths = new Map<string, string>();
  for (const file of files) {
    const name = basename(file);
    for (const key of [name, name.replace(/\.[^.]*$/, '')]) {
      if (!wanted.has(key)) continue;
      const other = paths.get(key);
      if (other !== undefined) {
        throw new UserError(
          `${list} names ${key}, but there are two such images (${other}, ${file}); give the folder of its images with --root`,
        );
      }
      paths.set(key, file);
    }
  }
  if (paths.size === 0) return undefined;
  const [some = ''] = paths.values();
  return names.map(
    (name) => paths.get(name) ?? join(dirname(some), isImageName(name) ? name : `${name}.jpg`),
  );
}
