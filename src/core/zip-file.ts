/** Opens zip archives with yauzl through a RandomAccessFile. */
import { Readable } from 'node:stream';
import { fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { type RandomAccessFile, ReadWindow } from './random-access-file.ts';

const STREAM_BYTES = 64 * 1024;

interface ZipOptions {
  /** Whether names with a backslash are an error. */
  readonly strictFileNames?: boolean;
  /** Whether names are text (default: true). */
  readonly decodeStrings?: boolean;
}

/** Reads the end of an archive. The caller closes the file. @throws Error when it is not a zip archive */
export function openZip(file: RandomAccessFile, options: ZipOptions): Promise<ZipFile> {
  const reader = new CheckedReader(file);
  return fromRandomAccessReaderPromise(reader, file.size, {
    lazyEntries: true,
    autoClose: false,
    ...options,
  });
}

/**
 * The file for yauzl. An archive may claim any position for its directory; for invalid ones, yauzl's own reader throws
 * where the error cannot be caught.
 */
class CheckedReader extends RandomAccessReader {
  readonly #file: RandomAccessFile;
  /** The directory has an entry after the other, each of two short pieces. */
  readonly #window: ReadWindow;

  constructor(file: RandomAccessFile) {
    super();
    this.#file = file;
    this.#window = new ReadWindow(file, file.size);
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#read(buffer.subarray(offset, offset + length), position).then(
      () => callback(null),
      (error: Error) => callback(error),
    );
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#chunks(start, end), { objectMode: false });
  }

  override close(callback: (error: Error | null) => void): void {
    // The caller closes the file.
    callback(null);
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; at += STREAM_BYTES) {
      const chunk = Buffer.alloc(Math.min(STREAM_BYTES, end - at));
      await this.#read(chunk, at);
      yield chunk;
    }
  }

  async #read(target: Buffer, position: number): Promise<void> {
    if (!(position >= 0 && position + target.length <= this.#file.size)) {
      throw new Error(`it refers to byte ${position}, but has only ${this.#file.size}`);
    }
    target.set(await this.#window.read(position, target.length));
  }
}
