/** The entries of a zip archive, read at any place (yauzl reads the directory). */
import { Readable } from 'node:stream';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { messageOf, UserError } from '../../../core/errors.ts';
import { RandomAccessFile } from '../../../core/random-access-file.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';

/** More entries than any model has; a directory of more is not read. */
const MAX_ENTRIES = 100_000;
const STREAM_BYTES = 64 * 1024;
const STORED = 0;
const DEFLATED = 8;

export interface ZipEntry {
  readonly name: string;
  readonly size: number;
}

/** An archive that is open. Its directory has been read and checked; its entries are still on the disk. */
export class ZipReader {
  readonly file: RandomAccessFile;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(file: RandomAccessFile, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.file = file;
    this.#zip = zip;
    this.#entries = entries;
  }

  /** @throws UserError naming the file when it is no zip archive, names a file twice, or one outside of it. */
  static async open(path: string): Promise<ZipReader> {
    const file = await RandomAccessFile.open(path);
    let zip: ZipFile | undefined;
    try {
      zip = await openZip(file);
      return new ZipReader(file, zip, await readDirectory(path, file.size, zip));
    } catch (error) {
      zip?.close();
      await file.close();
      throw broken(path, messageOf(error), error);
    }
  }

  get path(): string {
    return this.file.path;
  }

  get entries(): ZipEntry[] {
    return [...this.#entries.values()].map(({ fileName, uncompressedSize }) => ({
      name: fileName,
      size: uncompressedSize,
    }));
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * A small entry's content.
   * @throws UserError when it is not there, has more than `limit` bytes or cannot be unpacked.
   */
  async readSmall(name: string, limit: number): Promise<Buffer> {
    const entry = this.#entry(name);
    if (entry.uncompressedSize > limit) {
      throw broken(
        this.path,
        `${name} has ${entry.uncompressedSize} bytes, more than the ${limit} that it may have`,
      );
    }
    const target = Buffer.alloc(entry.uncompressedSize);
    let filled = 0;
    await this.#stream(entry, (chunk) => {
      filled += chunk.copy(target, filled);
    });
    return target;
  }

  /**
   * An entry as bytes at any place.
   * @throws UserError when it is compressed: then it can only be streamed.
   */
  async section(name: string): Promise<ByteSource & { readonly size: number }> {
    const entry = this.#entry(name);
    if (entry.compressionMethod !== STORED || entry.compressedSize !== entry.uncompressedSize) {
      throw broken(
        this.path,
        `${name} is compressed, and weights are stored as they are; unpack and pack it again with \`zip -0\``,
      );
    }
    const { fileDataStart } = await this.#guard(
      this.#zip.readLocalFileHeaderPromise(entry, { minimal: true }),
    );
    return {
      size: entry.uncompressedSize,
      readInto: (position, target) => {
        if (position < 0 || position + target.byteLength > entry.uncompressedSize) {
          throw broken(
            this.path,
            `${name} has ${entry.uncompressedSize} bytes, too few for what is said of it`,
          );
        }
        return this.file.readInto(fileDataStart + position, target);
      },
    };
  }

  async close(): Promise<void> {
    this.#zip.close();
    await this.file.close();
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) throw broken(this.path, `it has no ${name}`);
    return entry;
  }

  async #stream(entry: Entry, onChunk: (chunk: Buffer) => void): Promise<void> {
    const stream = await this.#guard(this.#zip.openReadStreamPromise(entry));
    await this.#guard(
      (async () => {
        for await (const chunk of stream) onChunk(chunk as Buffer);
      })(),
    );
  }

  async #guard<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw broken(this.path, messageOf(error), error);
    }
  }
}

function openZip(file: RandomAccessFile): Promise<ZipFile> {
  return fromRandomAccessReaderPromise(new CheckedReader(file), file.size, {
    lazyEntries: true,
    autoClose: false,
    strictFileNames: true,
  });
}

/**
 * The file as yauzl reads it. An archive may claim any place for its directory; with yauzl's own reader a place
 * that is no valid number is thrown where nobody can catch it.
 */
class CheckedReader extends RandomAccessReader {
  readonly #file: RandomAccessFile;

  constructor(file: RandomAccessFile) {
    super();
    this.#file = file;
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
    // Whoever opened the file closes it.
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
      throw new Error(`something in it would be at byte ${position}, and it has ${this.#file.size}`);
    }
    await this.#file.readInto(position, target);
  }
}

/** Checks names, methods, and that no entry claims more than the file holds or than deflate can hide in it. */
async function readDirectory(path: string, fileSize: number, zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw broken(path, `it lists ${zip.entryCount} files`);
  const entries = new Map<string, Entry>();
  let stored = 0;
  for await (const entry of zip.eachEntry()) {
    const { fileName, compressionMethod, compressedSize } = entry;
    if (entries.has(fileName)) throw broken(path, `it has ${fileName} twice`);
    if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
      throw broken(path, `${fileName} is compressed by method ${compressionMethod}, which is not read`);
    }
    if (entry.isEncrypted()) throw broken(path, `${fileName} is encrypted`);
    stored += compressedSize;
    if (stored > fileSize)
      throw broken(path, `its files take ${stored} bytes together, more than it has itself`);
    entries.set(fileName, entry);
  }
  return entries;
}

function broken(path: string, what: string, cause?: unknown): UserError {
  if (cause instanceof UserError) return cause;
  return new UserError(`${path} is not a whole zip archive: ${what}; copy or download it again`, { cause });
}
