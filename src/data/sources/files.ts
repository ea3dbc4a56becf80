/** Listing folders of images. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { kindOf, readingError } from '../../core/files.ts';
import { isImageName } from './split-names.ts';

/** A folder's visible entries, each kind sorted by code unit. */
export interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/**
 * Lists a folder. Hidden entries (`.DS_Store`, `._x.jpg`) are left out; links count as what they point to.
 * @throws UserError naming the folder.
 */
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
    if (entry.name.startsWith('.')) continue;
    if (await isFolder(path, entry)) folders.push(entry.name);
    else files.push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort() };
}

async function isFolder(parent: string, entry: Dirent): Promise<boolean> {
  // A link to an image is as good as the image, and following a million of them would take minutes.
  if (!entry.isSymbolicLink() || isImageName(entry.name)) return entry.isDirectory();
  return (await kindOf(`${parent}/${entry.name}`)) === 'folder';
}
