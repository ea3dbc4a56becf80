/** Reads whole files, and explains why files could not be read or written. */
import { createHash } from 'node:crypto';
import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { messageOf, printable, systemErrorCode, UserError } from './errors.ts';

/**
 * Opens a regular file for reading. Others are refused: opening a pipe would wait for a program that writes into it, and
 * a device may never end.
 * @throws UserError naming the file and the remedy
 */
export async function openFile(path: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    // Not every system has the flag.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = await file.stat();
    if (found.isFile()) return file;
    throw Object.assign(new Error(), { code: found.isDirectory() ? 'EISDIR' : NOT_A_FILE });
  } catch (error) {
    await file?.close();
    throw readingError(path, error);
  }
}

/** @throws UserError naming the file. */
export async function readBytes(path: string): Promise<Buffer> {
  const file = await openFile(path);
  try {
    return await file.readFile();
  } catch (error) {
    throw readingError(path, error);
  } finally {
    await file.close();
  }
}

/** The SHA-256 of a file, in hexadecimal. @throws UserError naming the file. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await openFile(path);
  try {
    // One buffer for all reads: those of a stream add up until they are collected.
    const buffer = Buffer.allocUnsafeSlow(2 ** 20);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    throw readingError(path, error);
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** The lines of a text file, without line breaks and empty lines. @throws UserError naming the file. */
export async function readLines(path: string): Promise<string[]> {
  return linesOf(await readBytes(path));
}

/** The lines of a text in UTF-8, without line breaks and empty lines. */
export function linesOf(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

/** What is at a path; links are followed. @throws UserError when this cannot be determined. */
export async function kindOf(path: string): Promise<'folder' | 'file' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing';
    throw readingError(path, error);
  }
}

/** The names in a folder, sorted. @throws UserError naming it. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    throw readingError(path, error);
  }
}

/** Creates a folder and those above it. @throws UserError naming the folder and the remedy. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw writingError(path, error);
  }
}

/**
 * Turns a system error into a sentence that explains why `path` could not be read and what to do about it. Errors that
 * do not come from the system are returned unchanged.
 */
export function readingError(path: string, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (code === undefined || error instanceof UserError) return error;
  const reason = (code === 'ENOENT' && missingFile(path)) || READING[code] || systemReason(error);
  return new UserError(`${printable(path)} could not be read: ${reason}`, { cause: error });
}

/** The error that explains why `path` could not be written and what to do about it. */
export function writingError(path: string, error: unknown): UserError {
  const reason = WRITING[systemErrorCode(error) ?? ''] ?? systemReason(error);
  return new UserError(`${printable(path)} could not be written: ${reason}`, { cause: error });
}

function missingFile(path: string): string | undefined {
  // Node replaces bytes that are not UTF-8, so the file is not found by that name.
  if (path.includes('\ufffd')) return 'its name is not valid UTF-8; rename it';
  try {
    return `it is a link to ${printable(readlinkSync(path))}, which does not exist; correct or remove the link`;
  } catch {
    return undefined;
  }
}

/** For the rare errors that have no sentence here. */
function systemReason(error: unknown): string {
  const known = getSystemErrorMap().get((error as { readonly errno?: number }).errno ?? 0);
  return known ? `the system reports "${known[1]}"; check the path and its disk` : messageOf(error);
}

type Reasons = Readonly<Record<string, string>>;

/** Our code for pipes, sockets and devices. */
const NOT_A_FILE = 'NOT_A_FILE';
const NO_FILE = 'there is no such file or folder; check the path';
const IN_THE_WAY = 'one of its folders is a file; check the path';
const CIRCLE = 'its symbolic links form a circle; correct the link';
const NOT_READABLE = 'permission denied; make it readable (chmod +r, and +x on its folder)';
const TOO_LONG = 'its name is too long for the file system; check the path';
const HAS_NUL = 'its name has a NUL character, which no file name has; correct the path';
const TOO_MANY_OPEN = 'too many files are open; raise the limit (`ulimit -n`)';
const READING: Reasons = {
  ENOENT: NO_FILE,
  ENOTDIR: IN_THE_WAY,
  EACCES: NOT_READABLE,
  EPERM: NOT_READABLE,
  EISDIR: 'it is a folder; give the path of a file',
  [NOT_A_FILE]: 'it is a pipe or a device, not a file; save its contents in a file first',
  ENXIO: 'it is a socket, not a file; check the path',
  ELOOP: CIRCLE,
  ENAMETOOLONG: TOO_LONG,
  ERR_INVALID_ARG_VALUE: HAS_NUL,
  ERR_FS_FILE_TOO_LARGE: 'it has more than 2 GiB; give a smaller file',
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EIO: 'the disk reports an error; check the disk or copy the file again',
  ESTALE: 'its network disk was mounted again meanwhile; try again',
};

const DISK_FULL = 'the disk is full; free some space and try again';
const NOT_WRITABLE = 'permission denied; choose another folder or change its permissions';
const IS_FOLDER = 'a folder has this name; choose another name';
const IS_THERE = 'a file has the name of the folder; choose another name';
const WRITING: Reasons = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EFBIG: 'the file would be larger than the system allows (see `ulimit -f`)',
  EACCES: NOT_WRITABLE,
  EPERM: NOT_WRITABLE,
  EROFS: 'the disk is read-only; choose another folder',
  ENOENT: 'its folder does not exist; create it first',
  ENOTDIR: IN_THE_WAY,
  EISDIR: IS_FOLDER,
  ENOTEMPTY: IS_FOLDER,
  EEXIST: IS_THERE,
  ELOOP: CIRCLE,
  ENAMETOOLONG: TOO_LONG,
  ERR_INVALID_ARG_VALUE: HAS_NUL,
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EIO: 'the disk reports an error; check the disk or choose another',
};

/** The result of an operation on a file; undefined if the file does not exist. */
export async function ifExists<T>(operation: Promise<T>): Promise<T | undefined> {
  return operation.catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}
