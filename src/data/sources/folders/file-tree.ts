/** Folders and files, on the disk or in an archive, so that both follow the same rules. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { byCodePoint } from '../../../core/class-names.ts';
import { kindOf, readBytes, readingError } from '../../../core/files.ts';
import { isImageName } from '../../pixels/image-formats.ts';

/** A folder that macOS adds to zip archives; it holds hidden files only. */
const MACOS_FOLDER = '__MACOSX';

/** A folder's visible entries, folders sorted by code point, files by code unit. */
export interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** Paths of files in an archive start with the archive's path: `photos.zip/cats/1.jpg`. */
export interface FileTree {
  kindOf(path: string): Promise<'folder' | 'file' | 'nothing'>;
  /**
   * Lists a folder. Hidden entries (`.DS_Store`, `._x.jpg`) are left out, and links count as what they point to.
   * @throws UserError naming the folder.
   */
  listFolder(path: string): Promise<Listing>;
  /** @throws UserError naming the file. */
  readBytes(path: string): Promise<Buffer>;
  /** Text that changes when the file does: its size, and its time or checksum. @throws Error if it cannot be read */
  versionOf(path: string): Promise<string>;
}

export const disk: FileTree = {
  kindOf,
  listFolder,
  readBytes,
  versionOf: async (path) => {
    const { size, mtimeMs } = await stat(path);
    return `${size} ${mtimeMs}`;
  },
};

export function isHidden(name: string): boolean {
  return name.startsWith('.') || name === MACOS_FOLDER;
}

/** Lists a folder of the disk, as `FileTree.listFolder` does. */
export async function listFolder(path: string): Promise<Listing> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw readingError(path, error);
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    if (isHidden(entry.name)) continue;
    if (await isFolder(path, entry)) folders.push(entry.name);
    else files.push(entry.name);
  }
  return { folders: folders.sort(byCodePoint), files: files.sort() };
}

async function isFolder(parent: string, entry: Dirent): Promise<boolean> {
  // A link to an image is assumed to lead to a file: following a million of them would take minutes.
  if (!entry.isSymbolicLink() || isImageName(entry.name)) return entry.isDirectory();
  try {
    return (await kindOf(`${parent}/${entry.name}`)) === 'folder';
  } catch {
    return false;
  }
}
