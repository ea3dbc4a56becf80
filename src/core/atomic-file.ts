import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode, UserError } from './errors.ts';
import { writingError } from './files.ts';

/** The content of a file: all of it, or pieces in order, which need not all be in memory. */
type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file whole or not at all: writes a temporary file next to it, flushes that to the disk and renames it over
 * the old one. If anything fails, the old file stays as it was.
 * @param headOf called after the last piece; the bytes it returns replace the first ones
 * @throws UserError naming the file and the remedy.
 */
export async function writeFileAtomically(
  path: string,
  content: FileContent,
  headOf?: () => Uint8Array | undefined,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      for await (const chunk of chunksOf(content)) await writeAll(file, chunk);
      const head = headOf?.();
      if (head !== undefined) await file.write(head, 0, head.byteLength, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await replaceFile(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    // Errors of the content's producer, such as a damaged image, are not about this file.
    throw error instanceof UserError ? error : writingError(path, error);
  }
}

function chunksOf(content: FileContent): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof content === 'string') return [Buffer.from(content)];
  return content instanceof Uint8Array ? [content] : content;
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    // A single write of more than 2 GiB fails on Linux.
    const length = Math.min(chunk.byteLength - offset, 2 ** 30);
    offset += (await file.write(chunk, offset, length)).bytesWritten;
  }
}

const RENAME_ATTEMPTS = 6;

/** On Windows renaming fails while another process, such as a virus scanner, has the old file open: it is tried again. */
async function replaceFile(temporary: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(temporary, path);
    } catch (error) {
      const isOpen = ['EPERM', 'EACCES', 'EBUSY'].includes(systemErrorCode(error) ?? '');
      if (process.platform !== 'win32' || !isOpen || attempt === RENAME_ATTEMPTS) throw error;
      await sleep(10 * 2 ** attempt);
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder as a file.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
