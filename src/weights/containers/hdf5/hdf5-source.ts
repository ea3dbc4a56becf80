import type { UserError } from '../../../core/errors.ts';
import { ReadWindow } from '../../../core/random-access-file.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';
import { damaged } from '../../weight-errors.ts';

/** Most structures read from one file; a network of Table 1 has a few hundred. */
const MAX_READS = 20_000;
/** Larger than any structure that a model has. */
const MAX_STRUCTURE_BYTES = 16 * 2 ** 20;

/**
 * Reads the structures of an HDF5 file, which may be part of a zip archive. Every address and size is checked against
 * the file's size, and the number of reads is limited, so that reading ends even if structures refer to each other in
 * cycles.
 */
export class Hdf5Source {
  readonly path: string;
  readonly size: number;
  readonly #source: ByteSource;
  readonly #window: ReadWindow;
  #reads = 0;

  constructor(path: string, source: ByteSource, size: number) {
    this.path = path;
    this.#source = source;
    this.size = size;
    this.#window = new ReadWindow(source, size);
  }

  /** Reads the bytes of a structure. @throws UserError if they would be outside of the file. */
  async at(address: number, length: number): Promise<Cursor> {
    this.checkRange(address, length);
    if (++this.#reads > MAX_READS) throw this.broken('its structures refer to each other in circles');
    if (length > MAX_STRUCTURE_BYTES) throw this.broken(`a structure in it would have ${length} bytes`);
    return new Cursor(this, await this.#window.read(address, length));
  }

  checkRange(address: number, length: number): void {
    if (address >= 0 && length >= 0 && address + length <= this.size) return;
    throw this.broken(`it refers to ${length} bytes at byte ${address}, but has only ${this.size}`);
  }

  /** Reads data, which does not count toward the limit. */
  get data(): ByteSource {
    return this.#source;
  }

  broken(fault: string): UserError {
    return damaged(this.path, 'HDF5', fault);
  }
}

/** Reads a structure's fields in order. HDF5's undefined address is returned as −1. */
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
    if (length < 0 || length > this.left) throw this.#source.broken('a structure in it is truncated');
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
    throw this.#source.broken(`expected ${JSON.stringify(signature)} instead of ${JSON.stringify(found)}`);
  }
}
