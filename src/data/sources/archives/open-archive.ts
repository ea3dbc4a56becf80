/** Recognizes archives by name and opens them as trees of files. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf } from '../../../core/files.ts';
import { withSlashes } from '../../../core/paths.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import type { FileTree } from '../folders/file-tree.ts';
import { findLists } from '../lists/open-list.ts';
import { splitOfFolder } from '../splits.ts';
import type { ArchiveTree } from './archive-tree.ts';
import { openTarArchive } from './tar-archive.ts';
import { openZipArchive } from './zip-archive.ts';

export function isZipName(name: string): boolean {
  return /\.zip$/i.test(name);
}

/** @throws UserError for an archive that cannot be read in place, with the command that helps */
export function refuseOtherArchives(path: string): void {
  if (/\.(?:tar\.gz|tgz)$/i.test(path)) {
    throw new UserError(
      `${path} is compressed as a whole, so its images cannot be read in place; unpack the tar file with \`gunzip --keep ${path}\` and give that, or the unpacked folder`,
    );
  }
  if (/\.(?:tar\.\w+|tbz2?|txz|7z|rar|gz|bz2|xz)$/i.test(path)) {
    throw new UserError(`${path} is an archive that cannot be read in place; unpack it and give the folder`);
  }
}

const opened = new Map<string, Promise<ArchiveTree>>();
/** A data set is opened once for each split; a plan may have two. */
const KEPT = 2;

/** Opens a zip or tar file. The directories of the last two are kept in memory. @throws UserError when it is damaged */
export async function openArchive(path: string): Promise<ArchiveTree> {
  const { size, mtimeMs } = await stat(path);
  const key = `${resolve(path)} ${path} ${size} ${mtimeMs}`;
  const tree = opened.get(key) ?? (isZipName(path) ? openZipArchive(path) : openTarArchive(path));
  opened.delete(key);
  opened.set(key, tree);
  for (const old of [...opened.keys()].slice(0, -KEPT)) opened.delete(old);
  // Whoever fixes the archive tries again.
  tree.catch(() => opened.delete(key));
  return tree;
}

/** The archive at the start of a path such as `photos.zip/train/cats`; undefined if there is none. */
export async function archiveAbove(path: string): Promise<string | undefined> {
  for (const { index, 0: extension } of withSlashes(path).matchAll(/\.(?:zip|tar)(?=\/)/gi)) {
    const archive = path.slice(0, index + extension.length);
    if ((await kindOf(archive)) === 'file') return archive;
  }
  return undefined;
}

/** The folder with the data set: most archives hold a single folder, with everything inside. */
export async function contentFolder(tree: FileTree, folder: string): Promise<string> {
  const { folders, files } = await tree.listFolder(folder);
  const [only] = folders;
  if (only === undefined || folders.length > 1 || files.some(isImageName) || splitOfFolder(only))
    return folder;
  const inner = join(folder, only);
  const inside = await tree.listFolder(inner);
  const isSet =
    inside.folders.length > 0 ||
    !inside.files.some(isImageName) ||
    (await findLists(tree, inner, inside)).length > 0;
  return isSet ? contentFolder(tree, inner) : folder;
}
