/**
 * Protocol-buffer messages on the disk, field by field, without loading what is large
 * (https://protobuf.dev/programming-guides/encoding/). A decoder of whole messages would hold a network's
 * weights once as bytes and once as floats; here a field of bytes is a place in the file.
 */
import protobuf from 'protobufjs';
import { messageOf, type UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { damaged } from '../../import/errors.ts';

/** A part of a file: a message, a string, packed numbers. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface WireField extends Range {
  readonly number: number;
  /** 0: a number, `value`; 1: 8 bytes; 2: any number of bytes; 5: 4 bytes. */
  readonly wireType: number;
  /** Of wire type 0, as a signed 64-bit number as far as float64 holds it. */
  readonly value: number;
}

const WINDOW_BYTES = 64 * 1024;
/** A key and a length, ten bytes each at most. */
const LONGEST_HEAD = 20;
/** More than any network's messages have; beyond, a file is made to keep us busy. */
const MAX_FIELDS = 200_000;
/** Strings and small messages. */
const MAX_SMALL_BYTES = 64 * 2 ** 20;

/** Reads the messages of one file. */
export class WireReader {
  readonly file: RandomAccessFile;
  readonly #format: string;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #fields = 0;

  /** @param format for messages: `ONNX`, `Caffe` */
  constructor(file: RandomAccessFile, format: string) {
    this.file = file;
    this.#format = format;
  }

  get whole(): Range {
    return { start: 0, end: this.file.size };
  }

  /** A file that breaks the format. */
  broken(what: string): UserError {
    return damaged(this.file.path, this.#format, what);
  }

  /** The fields of a message in order. @throws UserError when the bytes make no message. */
  async fields({ start, end }: Range): Promise<WireField[]> {
    const found: WireField[] = [];
    for (let at = start; at < end; ) {
      if (++this.#fields > MAX_FIELDS) throw this.broken(`it has more than ${MAX_FIELDS} fields`);
      await this.#fill(at, Math.min(LONGEST_HEAD, end - at));
      const field = this.#field(at, end);
      found.push(field);
      at = field.end;
    }
    return found;
  }

  async text(range: Range): Promise<string> {
    return (await this.small(range)).toString('utf8');
  }

  /** The bytes of something small. */
  async small({ start, end }: Range): Promise<Buffer> {
    if (end - start > MAX_SMALL_BYTES) throw this.broken(`a name or a list in it has ${end - start} bytes`);
    return this.file.read(start, end - start);
  }

  /** Packed varints, or a single one. */
  async integers(field: WireField): Promise<number[]> {
    if (field.wireType === 0) return [field.value];
    const reader = protobuf.Reader.create(await this.small(field));
    const values: number[] = [];
    try {
      while (reader.pos < reader.len) values.push(Number(reader.int64()));
    } catch (error) {
      throw this.broken(messageOf(error));
    }
    return values;
  }

  /** A float of 4 bytes. */
  async float({ wireType, start }: WireField): Promise<number> {
    if (wireType !== 5) throw this.broken('a number in it is of the wrong kind');
    return (await this.file.read(start, 4)).readFloatLE();
  }

  async #fill(at: number, length: number): Promise<void> {
    const inside = at >= this.#windowStart && at + length <= this.#windowStart + this.#window.length;
    if (inside) return;
    this.#window = await this.file.read(at, Math.min(WINDOW_BYTES, this.file.size - at));
    this.#windowStart = at;
  }

  #field(at: number, end: number): WireField {
    const offset = at - this.#windowStart;
    const head = this.#window.subarray(offset, offset + Math.min(LONGEST_HEAD, end - at));
    const reader = protobuf.Reader.create(head);
    try {
      const key = reader.uint32();
      const number = key >>> 3;
      const wireType = key & 7;
      if (number === 0) throw new Error('there is no field 0');
      const value = wireType === 0 ? Number(reader.int64()) : 0;
      const length = wireType === 2 ? Number(reader.uint64()) : fixedLength(wireType);
      const start = at + reader.pos;
      if (start + length > end) throw new Error(`field ${number} ends beyond what it is in`);
      return { number, wireType, value, start, end: start + length };
    } catch (error) {
      throw this.broken(`at byte ${at}, ${messageOf(error)}`);
    }
  }
}

/** Bytes behind the key and, for wire type 0, the number. */
function fixedLength(wireType: number): number {
  switch (wireType) {
    case 0:
      return 0;
    case 1:
      return 8;
    case 5:
      return 4;
    default:
      throw new Error(`wire type ${wireType} is not used`);
  }
}
