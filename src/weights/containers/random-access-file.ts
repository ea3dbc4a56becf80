import { type FileHandle, open } from 'node:fs/promises';
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';

/** A file that is read at any place, so that nothing is in memory but what is asked for. */
export class RandomAccessFile {
  readonly path: string;
  /** In bytes, when it was opened. */
  readonly size: number;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.size = size;
  }

  /** @throws UserError naming the file and the remedy when it is missing, a folder, or not readable. */
  static async open(path: string): Promise<RandomAccessFile> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'r');
      const stat = await file.stat();
      if (stat.isDirectory()) throw new UserError(`${path} could not be read: ${FOLDER}`);
      return new RandomAccessFile(path, file, stat.size);
    } catch (error) {
      await file?.close();
      throw readingError(path, error);
    }
  }

  /** @throws UserError when the file has become shorter than it was. */
  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await this.readInto(position, bytes);
    return bytes;
  }

  /** Fills `target`. @throws UserError as `read` does. */
  async readInto(position: number, target: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < target.byteLength; ) {
        const { bytesRead } = await this.#file.read(target, done, target.byteLength - done, position + done);
        if (bytesRead === 0) {
          throw new UserError(
            `${this.path} ended at byte ${position + done} while it was read; copy or download it again`,
          );
        }
        done += bytesRead;
      }
    } catch (error) {
      throw readingError(this.path, error);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Opens a file for as long as `use` runs. @throws UserError as `RandomAccessFile.open` does. */
export async function withFile<T>(path: string, use: (file: RandomAccessFile) => Promise<T>): Promise<T> {
  const file = await RandomAccessFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

const FOLDER = 'it is a folder; name the file inside it';

/** A system's error as a sentence; any other error as it is. */
export function readingError(path: string, error: unknown): unknown {
  if (systemErrorCode(error) === undefined || error instanceof UserError) return error;
  return new UserError(`${path} could not be read: ${reasonOf(error)}`, { cause: error });
}

function reasonOf(error: unknown): string {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file; check the path';
    case 'EACCES':
    case 'EPERM':
      return 'no permission to read it; change its permissions';
    case 'EISDIR':
      return FOLDER;
    default:
      return messageOf(error);
  }
}
