/**
 * A file with the posteriors of every image of an evaluation, for each part (one protocol at one scale). Means of parts
 * (several scales, both protocols, several networks) follow from such files without running a network again.
 * A header of whole blocks is followed by one record of fixed size for each image, so that images may come in any
 * order: done (int32, 1 or 0), label (int32), posteriors (`[parts, classes]` float32).
 */
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { ifExists, readingError, writingError } from '../../core/files.ts';
import { colorProfileModes } from '../../core/image-preparation.ts';
import { meanOf } from '../protocol/softmax.ts';

const FORMAT = 'verydeep posteriors 2';
/** Has results of another dense evaluation, which ignored a rim at the right and at the bottom: to read, not to continue. */
const FORMAT_1 = 'verydeep posteriors 1';
const BLOCK = 4096;
/** Bytes before the posteriors of a record. */
const PREFIX = 8;
/** Bytes read at a time to find the finished images. */
const SCAN_BYTES = 2 ** 24;

/** One protocol at one scale; the file calls the protocol `look`. */
const partSchema = z.codec(
  z.strictObject({ look: z.enum(['dense', 'crops', 'center']), scale: z.int() }),
  z.strictObject({ protocol: z.enum(['dense', 'crops', 'center']), scale: z.int() }),
  {
    decode: ({ look, scale }) => ({ protocol: look, scale }),
    encode: ({ protocol, scale }) => ({ look: protocol, scale }),
  },
);

const headerSchema = z.strictObject({
  format: z.enum([FORMAT, FORMAT_1]),
  endianness: z.enum(['LE', 'BE']),
  images: z.int().min(0),
  /** Identifiers in the order of the posteriors. */
  classes: z.array(z.string()).min(1),
  parts: z.array(partSchema).min(1),
  /** Checksums of the model and of the images. */
  model: z.string(),
  data: z.string(),
  flip: z.boolean(),
  colorProfiles: z.enum(colorProfileModes).default('convert'),
});

export type PosteriorHeader = Omit<z.output<typeof headerSchema>, 'format' | 'endianness'>;

interface ImagePosteriors {
  /** The model's number of the true class; −1 without a label. */
  readonly label: number;
  /** `[parts, classes]` */
  readonly values: Float32Array;
}

/**
 * The mean of some parts of an image's posteriors.
 * @param values `[parts, classes]`
 * @returns `[classes]`
 */
export function averageParts(values: Float32Array, parts: Iterable<number>, classes: number): Float32Array {
  const chosen = [...parts].map((part) =>
    Float64Array.from(values.subarray(part * classes, (part + 1) * classes)),
  );
  return Float32Array.from(meanOf(chosen));
}

export class PosteriorFile {
  readonly path: string;
  readonly header: PosteriorHeader;
  readonly #file: FileHandle;
  readonly #start: number;
  readonly #recordBytes: number;
  readonly #done: Uint8Array;

  private constructor(path: string, file: FileHandle, header: PosteriorHeader, start: number) {
    this.path = path;
    this.header = header;
    this.#file = file;
    this.#start = start;
    this.#recordBytes = PREFIX + 4 * header.parts.length * header.classes.length;
    this.#done = new Uint8Array(header.images);
  }

  /**
   * Continues a file that has the same header; otherwise starts a new one and overwrites an existing file.
   * @throws UserError when it cannot be written.
   */
  static async openToWrite(path: string, header: PosteriorHeader): Promise<PosteriorFile> {
    const bytes = headerBytes(header);
    try {
      const found = await ifExists(open(path, 'r+'));
      if (found) {
        const there = Buffer.alloc(bytes.length);
        await found.read(there, 0, there.length, 0);
        if (there.equals(bytes)) {
          const file = new PosteriorFile(path, found, header, bytes.length);
          await file.#scan();
          return file;
        }
        await found.close();
      }
      const file = await open(path, 'w+');
      await file.write(bytes, 0, bytes.length, 0);
      return new PosteriorFile(path, file, header, bytes.length);
    } catch (error) {
      throw writingError(path, error);
    }
  }

  /**
   * Opens a file for reading.
   * @returns undefined if it does not exist
   * @throws UserError when it is damaged.
   */
  static async openToRead(path: string): Promise<PosteriorFile | undefined> {
    const handle = await ifExists(open(path, 'r')).catch((error: unknown) => {
      throw readingError(path, error);
    });
    if (!handle) return undefined;
    try {
      const { header, bytes } = await readHeader(handle);
      const file = new PosteriorFile(path, handle, header, bytes);
      await file.#scan();
      return file;
    } catch (error) {
      await handle.close();
      throw new UserError(`${path} is not a file of posteriors; delete it and start again`, { cause: error });
    }
  }

  has(image: number): boolean {
    return this.#done[image] === 1;
  }

  /** Whether every image is finished. */
  get complete(): boolean {
    return this.#done.every((flag) => flag === 1);
  }

  /** @throws UserError when the file cannot be written, for instance because the disk is full. */
  async write(image: number, { label, values }: ImagePosteriors): Promise<void> {
    const record = Buffer.alloc(this.#recordBytes);
    new Int32Array(record.buffer, record.byteOffset, 2).set([1, label]);
    new Float32Array(record.buffer, record.byteOffset + PREFIX, values.length).set(values);
    try {
      await this.#file.write(record, 0, record.length, this.#start + image * this.#recordBytes);
    } catch (error) {
      throw writingError(this.path, error);
    }
    this.#done[image] = 1;
  }

  /** @throws RangeError for an image that is not finished. */
  async read(image: number): Promise<ImagePosteriors> {
    if (!this.has(image)) throw new RangeError(`${this.path} has no posteriors of image ${image}`);
    const record = Buffer.alloc(this.#recordBytes);
    await this.#file.read(record, 0, record.length, this.#start + image * this.#recordBytes);
    const values = new Float32Array((this.#recordBytes - PREFIX) / 4);
    Buffer.from(values.buffer).set(record.subarray(PREFIX));
    return { label: new Int32Array(record.buffer, record.byteOffset, 2)[1]!, values };
  }

  /** Flushes everything to the disk. */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Finds the finished images. */
  async #scan(): Promise<void> {
    const { images } = this.header;
    const together = Math.max(1, Math.floor(SCAN_BYTES / this.#recordBytes));
    const chunk = Buffer.alloc(Math.min(together, Math.max(images, 1)) * this.#recordBytes);
    for (let first = 0; first < images; first += together) {
      const position = this.#start + first * this.#recordBytes;
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, position);
      // A truncated record at the end does not count.
      const whole = Math.min(Math.floor(bytesRead / this.#recordBytes), images - first);
      for (let i = 0; i < whole; i++) {
        const flag = new Int32Array(chunk.buffer, chunk.byteOffset + i * this.#recordBytes, 1)[0]!;
        this.#done[first + i] = Number(flag === 1);
      }
    }
  }
}

/** The header as JSON, padded with spaces to whole blocks. */
function headerBytes(header: PosteriorHeader): Buffer {
  const encoded = z.encode(headerSchema, { format: FORMAT, endianness: endianness(), ...header });
  const text = Buffer.from(JSON.stringify(encoded));
  const bytes = Buffer.alloc(Math.ceil((text.length + 1) / BLOCK) * BLOCK, ' ');
  bytes.set(text);
  bytes[bytes.length - 1] = '\n'.charCodeAt(0);
  return bytes;
}

async function readHeader(file: FileHandle): Promise<{ header: PosteriorHeader; bytes: number }> {
  let text = Buffer.alloc(0);
  for (;;) {
    const block = Buffer.alloc(BLOCK);
    const { bytesRead } = await file.read(block, 0, BLOCK, text.length);
    if (bytesRead < BLOCK) throw new Error('the header is incomplete');
    text = Buffer.concat([text, block]);
    if (block[BLOCK - 1] === '\n'.charCodeAt(0)) break;
  }
  const { format: _, endianness: order, ...header } = headerSchema.parse(JSON.parse(text.toString()));
  if (order !== endianness()) throw new Error('the file was written on a machine with another byte order');
  return { header, bytes: text.length };
}
