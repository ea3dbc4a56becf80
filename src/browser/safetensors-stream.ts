/** Reads a safetensors file while it arrives, with one tensor in memory at a time. */
import { elementCount } from '../core/shape.ts';
import {
  headerLength,
  LENGTH_BYTES,
  malformed,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from '../weights/formats/safetensors/header.ts';
import type { NamedTensor } from '../weights/formats/safetensors/writer.ts';
import { isReadable } from '../weights/tensors/element-types.ts';
import { streamElements } from '../weights/tensors/source-tensor.ts';
import { unreadable } from '../weights/weight-errors.ts';

interface StreamOptions {
  /** Called with the header before the first tensor. An error that it throws stops the reading. */
  onHeader(header: SafetensorsHeader): void;
  /**
   * Called with each tensor in the order of the file; the next one is read when it has settled.
   * @param offset the number of the tensor's values before those of `data`
   */
  onTensor(tensor: NamedTensor, offset: number): Promise<void>;
  /** Most values to pass on at once (default: whole tensors). `data` is reused if they are parts. */
  readonly most?: number;
  /** Which tensors to take (default: all). The bytes of the others are skipped. */
  readonly select?: (name: string) => boolean;
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * @param name the file's name in messages
 * @param stream its bytes, in pieces of any size; cancelled when reading fails
 * @throws UserError naming the file, the tensor and the remedy when the file violates the format or ends early.
 */
export async function streamSafetensors(
  name: string,
  stream: ReadableStream<Uint8Array>,
  { onHeader, onTensor, most, select = () => true, onProgress = () => {} }: StreamOptions,
): Promise<void> {
  const bytes = new ByteReader(name, stream);
  try {
    const prefix = new Uint8Array(LENGTH_BYTES);
    await bytes.fill(prefix);
    const header = new Uint8Array(headerLength(name, prefix));
    await bytes.fill(header);
    const parsed = parseHeader(name, header, undefined);
    onHeader(parsed);
    const offset = LENGTH_BYTES + header.length;
    const total = offset + (parsed.entries.at(-1)?.end ?? 0);
    for (const entry of parsed.entries) {
      const report = () => onProgress(bytes.done, total);
      if (!select(entry.name)) await bytes.skip(entry.end - entry.start);
      else for await (const part of partsOf(name, entry, bytes, report, most)) await onTensor(...part);
    }
    await bytes.expectEnd();
  } catch (error) {
    await bytes.cancel(error);
    throw error;
  }
}

async function* partsOf(
  file: string,
  { name, type, shape }: TensorEntry,
  bytes: ByteReader,
  report: () => void,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<[tensor: NamedTensor, offset: number]> {
  if (!isReadable(type)) throw unreadable(file, JSON.stringify(name), type);
  const count = elementCount(shape);
  const memory = new Float32Array(Math.min(count, most));
  const source = { readInto: (_: number, target: Uint8Array) => bytes.fill(target, report) };
  for (let offset = 0; offset < count || offset === 0; offset += memory.length || 1) {
    const data = memory.subarray(0, count - offset);
    await streamElements(source, 0, data.length, type, (values, at) => data.set(values, at));
    yield [{ name, shape, data }, offset];
  }
}

/** What one read of a stream gives; `value` may be missing or empty at the end. */
interface Piece {
  readonly done: boolean;
  readonly value?: Uint8Array<ArrayBuffer> | undefined;
}

const PIECE_BYTES = 2 ** 18;

/**
 * Reads into the same memory again and again where the stream can, as those of files and responses do. Otherwise each
 * piece would be garbage, and a model's bytes might be in memory once more before the browser collects it.
 */
function readerOf(stream: ReadableStream<Uint8Array>): {
  read(): Promise<Piece>;
  cancel(reason: unknown): Promise<void>;
} {
  try {
    const reader = stream.getReader({ mode: 'byob' });
    let buffer = new ArrayBuffer(PIECE_BYTES);
    const read = async () => {
      const piece = (await reader.read(new Uint8Array(buffer))) as Piece;
      buffer = piece.value?.buffer ?? new ArrayBuffer(PIECE_BYTES);
      return piece;
    };
    return { read, cancel: (reason) => reader.cancel(reason) };
  } catch {
    const reader = stream.getReader();
    return { read: async () => (await reader.read()) as Piece, cancel: (reason) => reader.cancel(reason) };
  }
}

/** Reads exact numbers of bytes from a stream. */
class ByteReader {
  readonly #name: string;
  readonly #reader: ReturnType<typeof readerOf>;
  /** Valid until the next read. */
  #rest = new Uint8Array(0);
  /** Bytes taken so far. */
  done = 0;

  constructor(name: string, stream: ReadableStream<Uint8Array>) {
    this.#name = name;
    this.#reader = readerOf(stream);
  }

  async fill(target: Uint8Array, onPiece = () => {}): Promise<void> {
    for (let at = 0; at < target.length; ) {
      const piece = await this.#take(target.length - at);
      target.set(piece, at);
      at += piece.length;
      onPiece();
    }
  }

  async skip(bytes: number): Promise<void> {
    for (let at = 0; at < bytes; ) at += (await this.#take(bytes - at)).length;
  }

  async expectEnd(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#next())) {
      throw malformed(this.#name, 'there are bytes after its last tensor');
    }
  }

  async cancel(reason: unknown): Promise<void> {
    // A stream that failed rejects here too; the caller throws its error.
    await this.#reader.cancel(reason).catch(() => {});
  }

  /** Takes between 1 and `most` bytes. */
  async #take(most: number): Promise<Uint8Array> {
    if (this.#rest.length === 0 && !(await this.#next())) {
      throw malformed(this.#name, `it ends at byte ${this.done}`);
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    this.done += piece.length;
    return piece;
  }

  async #next(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return false;
      this.#rest = value!;
    }
    return true;
  }
}
