import type { UserError } from '../../../core/errors.ts';
import { damaged } from '../../import/errors.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';

const WINDOW_BYTES = 64 * 1024;
/** Structures that one file may make us read; a network of Table 1 has a few hundred. */
const MAX_READS = 20_000;
/** A structure that is larger than this is none that a model has. */
const MAX_STRUCTURE_BYTES = 16 * 2 ** 20;

/**
 * The structures of an HDF5 file. Addresses count from where the format begins, which in a zip archive is in
 * the middle of it. Every address and size is checked against the file, and the number of reads is limited,
 * so that a file whose structures refer to each other in circles comes to an end.
 */
export class Hdf5Source {
  readonly path: string;
  readonly size: number;
  readonly #source: ByteSource;
  #window = Buffer.alloc(0);
  #windowStart = 0;
  #reads = 0;

  constructor(path: string, source: ByteSource, size: number) {
    this.path = path;
    this.#source = source;
    this.size = size;
  }

  /** A few bytes of structure. @throws UserError where they would be outside of the file. */
  async at(address: number, length: number): Promise<Cursor> {
    this.checkRange(address, length);
    if (++this.#reads > MAX_READS) throw this.broken('its structures go in circles');
    if (length > MAX_STRUCTURE_BYTES) throw this.broken(`a structure in it would have ${length} bytes`);
    if (length > WINDOW_BYTES) {
      const bytes = Buffer.alloc(length);
      await this.#source.readInto(address, bytes);
      return new Cursor(this, bytes);
    }
    const offset = address - this.#windowStart;
    if (offset < 0 || offset + length > this.#window.length) {
      const window = Buffer.alloc(Math.min(WINDOW_BYTES, this.size - address));
      await this.#source.readInto(address, window);
      this.#window = window;
      this.#windowStart = address;
    }
    const start = address - this.#windowStart;
    return new Cursor(this, this.#window.subarray(start, start + length));
  }

  checkRange(address: number, length: number): void {
    if (address >= 0 && length >= 0 && address + length <= this.size) return;
    throw this.broken(
      `something in it would be at byte ${address}, ${length} bytes long, and it has ${this.size}`,
    );
  }

  /** The bytes of data, which are not counted. */
  get data(): ByteSource {
    return this.#source;
  }

  broken(what: string): UserError {
    return damaged(this.path, 'HDF5', what);
  }
}

/** Reads a structure's fields in order. HDF5's undefined address comes as −1. */
export class Cursor {
  readonly bytes: Buffer;
  readonly #source: Hdf5Source;
  position = 0;

  constructor(source: Hdf5Source, bytes: Buffer) {
    this.#source = source;
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.left) throw this.#source.broken('a structure in it is cut short');
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  skip(length: number): this {
    this.take(length);
    return this;
  }

  u8(): number {
    return this.take(1).readUInt8();
  }

  u16(): number {
    return this.take(2).readUInt16LE();
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** An address or a length of 8 bytes. */
  u64(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value === 0xffffffffffffffffn) return -1;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#source.broken(`a number in it is ${value}`);
    return Number(value);
  }

  uint(size: number): number {
    return size === 1 ? this.u8() : size === 2 ? this.u16() : size === 4 ? this.u32() : this.u64();
  }

  expect(signature: string): this {
    const found = this.take(signature.length).toString('latin1');
    if (found === signature) return this;
    throw this.#source.broken(`${JSON.stringify(signature)} should stand where ${JSON.stringify(found)} is`);
  }

  /** Up to the next zero byte. */
  name(): string {
    const end = this.bytes.indexOf(0, this.position);
    if (end < 0) throw this.#source.broken('a name in it does not end');
    const text = this.bytes.toString('utf8', this.position, end);
    this.position = end + 1;
    return text;
  }
}
