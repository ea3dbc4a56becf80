/** Reading files and folders with errors that a person can act on. */
import { createHash } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';
import { isImageName } from './split-names.ts';

/** The error that says why `path` could not be read and what to do about it. */
export function unreadable(path: string, error: unknown): UserError {
  return new UserError(`${path} could not be read: ${reasonOf(error)}`, { cause: error });
}

/** @throws UserError naming the file. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The SHA-256 of a file, in hexadecimal. @throws UserError naming the file. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw unreadable(path, error);
  }
  return hash.digest('hex');
}

/** The lines of a text file without their line ends, empty ones left out. @throws UserError naming the file. */
export async function readLines(path: string): Promise<string[]> {
  const text = (await readBytes(path)).toString('utf8');
  return text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

/** What stands at a path, links followed. @throws UserError when even that cannot be found out. */
export async function kindOf(path: string): Promise<'folder' | 'file' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing';
    throw unreadable(path, error);
  }
}

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
    throw unreadable(path, error);
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

function reasonOf(error: unknown): string {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file or folder; check the path';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; allow yourself to read it (chmod +r, and +x on its folder)';
    case 'EISDIR':
      return 'it is a folder, not a file; rename it or give the file';
    case 'ELOOP':
      return 'its symbolic links go in a circle; mend the link';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many files are open; raise the limit (`ulimit -n`)';
    case 'EIO':
      return 'the disk reports an error; check the disk or copy the file again';
    default:
      return messageOf(error);
  }
}
