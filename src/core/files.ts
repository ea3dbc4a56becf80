/** Reads whole files, and explains why files could not be read or written. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { messageOf, systemErrorCode, UserError } from './errors.ts';

/** @throws UserError naming the file. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw readingError(path, error);
  }
}

/** The SHA-256 of a file, in hexadecimal. @throws UserError naming the file. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw readingError(path, error);
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

/**
 * Turns a system error into a sentence that explains why `path` could not be read and what to do about it. Errors that
 * do not come from the system are returned unchanged.
 */
export function readingError(path: string, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (code === undefined || error instanceof UserError) return error;
  // Node replaces bytes that are not UTF-8, so the file is not found by that name.
  const reason = code === 'ENOENT' && path.includes('\ufffd') ? NOT_UTF8 : READING[code];
  return new UserError(`${path} could not be read: ${reason ?? messageOf(error)}`, { cause: error });
}

/** The error that explains why `path` could not be written and what to do about it. */
export function writingError(path: string, error: unknown): UserError {
  const reason = WRITING[systemErrorCode(error) ?? ''] ?? messageOf(error);
  return new UserError(`${path} could not be written: ${reason}`, { cause: error });
}

type Reasons = Readonly<Record<string, string>>;

const NO_FILE = 'there is no such file or folder; check the path';
const NOT_UTF8 = 'its name is not valid UTF-8; rename it';
const NOT_READABLE = 'permission denied; make it readable (chmod +r, and +x on its folder)';
const TOO_MANY_OPEN = 'too many files are open; raise the limit (`ulimit -n`)';
const READING: Reasons = {
  ENOENT: NO_FILE,
  ENOTDIR: NO_FILE,
  EACCES: NOT_READABLE,
  EPERM: NOT_READABLE,
  EISDIR: 'it is a folder; give the path of a file',
  ELOOP: 'its symbolic links form a circle; correct the link',
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EIO: 'the disk reports an error; check the disk or copy the file again',
};

const DISK_FULL = 'the disk is full; free some space and try again';
const NOT_WRITABLE = 'permission denied; choose another folder or change its permissions';
const NO_FOLDER = 'its folder does not exist; create it first';
const WRITING: Reasons = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EFBIG: 'the file would be larger than the system allows (see `ulimit -f`)',
  EACCES: NOT_WRITABLE,
  EPERM: NOT_WRITABLE,
  EROFS: NOT_WRITABLE,
  ENOENT: NO_FOLDER,
  ENOTDIR: NO_FOLDER,
};

/** The result of an operation on a file; undefined if the file does not exist. */
export async function ifExists<T>(operation: Promise<T>): Promise<T | undefined> {
  return operation.catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}
