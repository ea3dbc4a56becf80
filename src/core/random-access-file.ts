import type { FileHandle } from 'node:fs/promises';
import { UserError } from './errors.ts';
import { openFile, readingError } from './files.ts';

/** A file that is read at any position, so that only the requested bytes are in memory. */
export class RandomAccessFile {
  readonly path: string;
  /** Size in bytes when it was opened. */
  readonly size: number;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.size = size;
  }

  /** @throws UserError naming the file and the remedy when it is missing, a folder, or not readable. */
  static async open(path: string): Promise<RandomAccessFile> {
    const file = await openFile(path);
    return new RandomAccessFile(path, file, (await file.stat()).size);
  }

  /** @throws UserError when the file has become shorter since it was opened. */
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
            `${this.path} ended at byte ${position + done} while it was being read; copy or download it again`,
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

/** Reads small pieces through a window, so that neighboring pieces cost one disk read. */
export class ReadWindow {
  readonly #source: Pick<RandomAccessFile, 'readInto'>;
  readonly #size: number;
  readonly #length: number;
  #window = Buffer.alloc(0);
  #start = 0;

  /** @param size of the source, in bytes @param length of the window, in bytes */
  constructor(source: Pick<RandomAccessFile, 'readInto'>, size: number, length = 64 * 1024) {
    this.#source = source;
    this.#size = size;
    this.#length = length;
  }

  /**
   * Reads the bytes of a piece, which must be within the source. Do not change them: unless the piece is larger than
   * the window, they are part of it.
   */
  async read(position: number, length: number): Promise<Buffer> {
    const offset = position - this.#start;
    if (offset < 0 || offset + length > this.#window.length) {
      const bytes = Buffer.alloc(Math.max(length, Math.min(this.#length, this.#size - position)));
      await this.#source.readInto(position, bytes);
      if (length > this.#length) return bytes;
      this.#window = bytes;
      this.#start = position;
    }
    return this.#window.subarray(position - this.#start, position - this.#start + length);
  }
}
