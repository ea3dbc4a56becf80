/** Random access to the entries of a zip archive (yauzl reads the directory). */
import type { Entry, ZipFile } from 'yauzl';
import { messageOf, UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { openZip } from '../../../core/zip-file.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';

/** More entries than any model has. */
const MAX_ENTRIES = 100_000;
/** Weights compress by a tenth; zeros by much, but no network has only zeros. */
const LARGEST_RATIO = 32;
const STORED = 0;
const DEFLATED = 8;

/** An open archive. Its directory has been read and checked; its entries are still on the disk. */
export class ZipReader {
  readonly #file: RandomAccessFile;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(file: RandomAccessFile, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.#file = file;
    this.#zip = zip;
    this.#entries = entries;
  }

  /** @throws UserError naming the file when it is not a zip archive, or has a duplicate or unsafe name. */
  static async open(file: RandomAccessFile): Promise<ZipReader> {
    try {
      const zip = await openZip(file, { strictFileNames: true });
      return new ZipReader(file, zip, await readDirectory(file.path, file.size, zip));
    } catch (error) {
      throw broken(file.path, messageOf(error), error);
    }
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * Reads a small entry's content.
   * @throws UserError when it is missing, has more than `limit` bytes or cannot be unpacked.
   */
  async readSmall(name: string, limit: number): Promise<Buffer> {
    const entry = this.#entry(name);
    if (entry.uncompressedSize > limit) {
      throw this.#broken(`${name} has ${entry.uncompressedSize} bytes, more than the limit of ${limit}`);
    }
    const target = Buffer.alloc(entry.uncompressedSize);
    let filled = 0;
    await this.#guard(async () => {
      for await (const chunk of await this.#zip.openReadStreamPromise(entry)) {
        filled += (chunk as Buffer).copy(target, filled);
      }
    });
    return target;
  }

  /** Reads the first bytes of an entry. @returns them, and the size of all */
  async readStart(name: string, length: number): Promise<{ start: Buffer; size: number }> {
    const entry = this.#entry(name);
    const start = Buffer.alloc(Math.min(length, entry.uncompressedSize));
    let filled = 0;
    await this.#guard(async () => {
      for await (const chunk of await this.#zip.openReadStreamPromise(entry)) {
        filled += (chunk as Buffer).copy(start, filled);
        if (filled === start.length) break;
      }
    });
    return { start, size: entry.uncompressedSize };
  }

  /**
   * Gives random access to an entry's bytes; a compressed one is unpacked into memory.
   * @throws UserError when it is missing, or would unpack to far more than its size.
   */
  async bytes(name: string): Promise<ByteSource> {
    const { compressionMethod, compressedSize, uncompressedSize } = this.#entry(name);
    if (compressionMethod === STORED) return this.section(name);
    if (uncompressedSize > LARGEST_RATIO * compressedSize + 2 ** 20) {
      throw this.#broken(`${name} would unpack from ${compressedSize} to ${uncompressedSize} bytes`);
    }
    const unpacked = await this.readSmall(name, uncompressedSize);
    return {
      async readInto(position, target) {
        target.set(unpacked.subarray(position, position + target.byteLength));
      },
    };
  }

  /**
   * Gives random access to an entry's bytes.
   * @throws UserError when it is compressed, since it could then only be streamed.
   */
  async section(name: string): Promise<ByteSource & { readonly size: number }> {
    const entry = this.#entry(name);
    if (entry.compressionMethod !== STORED || entry.compressedSize !== entry.uncompressedSize) {
      throw this.#broken(
        `${name} is compressed, but weights must be stored uncompressed; unpack and pack it again with \`zip -0\``,
      );
    }
    const { fileDataStart } = await this.#guard(() =>
      this.#zip.readLocalFileHeaderPromise(entry, { minimal: true }),
    );
    return {
      size: entry.uncompressedSize,
      readInto: (position, target) => {
        if (position < 0 || position + target.byteLength > entry.uncompressedSize) {
          throw this.#broken(
            `${name} has only ${entry.uncompressedSize} bytes, too few for the tensors in it`,
          );
        }
        return this.#file.readInto(fileDataStart + position, target);
      },
    };
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) throw this.#broken(`it has no ${name}`);
    return entry;
  }

  #broken(fault: string): UserError {
    return broken(this.#file.path, fault);
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw broken(this.#file.path, messageOf(error), error);
    }
  }
}

/** Checks names, methods and sizes: no entry may claim more than the file holds. */
async function readDirectory(path: string, fileSize: number, zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw broken(path, `it lists ${zip.entryCount} files`);
  const entries = new Map<string, Entry>();
  let stored = 0;
  for await (const entry of zip.eachEntry()) {
    const { fileName, compressionMethod, compressedSize } = entry;
    if (entries.has(fileName)) throw broken(path, `duplicate file ${fileName}`);
    if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
      throw broken(path, `${fileName} is compressed by method ${compressionMethod}, which is not supported`);
    }
    if (entry.isEncrypted()) throw broken(path, `${fileName} is encrypted`);
    stored += compressedSize;
    if (stored > fileSize)
      throw broken(path, `its files would take ${stored} bytes, more than the archive has`);
    entries.set(fileName, entry);
  }
  return entries;
}

function broken(path: string, fault: string, cause?: unknown): UserError {
  if (cause instanceof UserError) return cause;
  return new UserError(`${path} is not a valid zip archive: ${fault}; copy or download it again`, { cause });
}
