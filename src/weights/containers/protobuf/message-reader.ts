/**
 * Reads protocol-buffer messages from the disk field by field, without loading large ones
 * (https://protobuf.dev/programming-guides/encoding/). A decoder of whole messages would hold a network's weights twice,
 * as bytes and as floats; here a field of bytes is a range of the file.
 */
import protobuf from 'protobufjs';
import { messageOf, type UserError } from '../../../core/errors.ts';
import { type RandomAccessFile, ReadWindow } from '../../../core/random-access-file.ts';
import type { ByteRange } from '../../tensors/source-tensor.ts';
import { damaged } from '../../weight-errors.ts';

/** A field, and the range of its value's bytes. */
interface MessageField extends ByteRange {
  readonly number: number;
  /** 0: a number, `value`; 1: 8 bytes; 2: any number of bytes; 5: 4 bytes. */
  readonly wireType: number;
  /** For wire type 0: a signed 64-bit number, rounded to float64. */
  readonly value: number;
}

/** A key and a length, ten bytes each at most. */
const LONGEST_HEAD = 20;
/** More than any network's messages have; a file with more would only waste time. */
const MAX_FIELDS = 200_000;
/** Longest string or number list accepted, in bytes. */
const MAX_SMALL_BYTES = 64 * 2 ** 20;

/** Reads the messages of one file. */
export class MessageReader {
  readonly file: RandomAccessFile;
  readonly #format: string;
  readonly #window: ReadWindow;
  #fields = 0;

  /** @param format for messages: `ONNX`, `Caffe` */
  constructor(file: RandomAccessFile, format: string) {
    this.file = file;
    this.#format = format;
    this.#window = new ReadWindow(file, file.size);
  }

  get whole(): ByteRange {
    return { start: 0, end: this.file.size };
  }

  /** The error for a file that violates the format. */
  broken(fault: string): UserError {
    return damaged(this.file.path, this.#format, fault);
  }

  /** Reads the fields of a message. @throws UserError when the bytes are not a message. */
  async message({ start, end }: ByteRange): Promise<MessageFields> {
    const found: MessageField[] = [];
    for (let at = start; at < end; ) {
      if (++this.#fields > MAX_FIELDS) throw this.broken(`it has more than ${MAX_FIELDS} fields`);
      const head = await this.#window.read(at, Math.min(LONGEST_HEAD, end - at));
      const field = this.#field(head, at, end);
      found.push(field);
      at = field.end;
    }
    return new MessageFields(this, found);
  }

  async text(range: ByteRange): Promise<string> {
    return (await this.#small(range)).toString('utf8');
  }

  async #small({ start, end }: ByteRange): Promise<Buffer> {
    if (end - start > MAX_SMALL_BYTES) throw this.broken(`a name or a list in it has ${end - start} bytes`);
    return this.file.read(start, end - start);
  }

  /** Reads packed varints, or a single one. A field of another type has none. */
  async integers(field: MessageField): Promise<number[]> {
    if (field.wireType !== 2) return field.wireType === 0 ? [field.value] : [];
    const reader = protobuf.Reader.create(await this.#small(field));
    const values: number[] = [];
    try {
      while (reader.pos < reader.len) values.push(Number(reader.int64()));
    } catch (error) {
      throw this.broken(messageOf(error));
    }
    return values;
  }

  /** A float of 4 bytes. */
  async float({ wireType, start }: MessageField): Promise<number> {
    if (wireType !== 5) throw this.broken('a number in it has the wrong wire type');
    return (await this.file.read(start, 4)).readFloatLE();
  }

  #field(head: Buffer, at: number, end: number): MessageField {
    const reader = protobuf.Reader.create(head);
    try {
      const key = reader.uint32();
      const number = key >>> 3;
      const wireType = key & 7;
      if (number === 0) throw new Error('a field has the number 0');
      const value = wireType === 0 ? Number(reader.int64()) : 0;
      const length = wireType === 2 ? Number(reader.uint64()) : fixedLength(wireType);
      const start = at + reader.pos;
      if (start + length > end) throw new Error(`field ${number} ends after its message`);
      return { number, wireType, value, start, end: start + length };
    } catch (error) {
      throw this.broken(`at byte ${at}, ${messageOf(error)}`);
    }
  }
}

/** The fields of one message. If a non-repeated field occurs several times, the last one counts. */
export class MessageFields {
  readonly #reader: MessageReader;
  readonly #fields: readonly MessageField[];

  constructor(reader: MessageReader, fields: readonly MessageField[]) {
    this.#reader = reader;
    this.#fields = fields;
  }

  /** Messages, strings or packed numbers, in order. */
  bytes(number: number): ByteRange[] {
    return this.#fields.filter((field) => field.number === number && field.wireType === 2);
  }

  /** Floating-point numbers of any of these fields, packed or single, in order. */
  floats(...numbers: readonly number[]): ByteRange[] {
    return this.#fields.filter(({ number, wireType }) => numbers.includes(number) && wireType !== 0);
  }

  /** Empty if the field is absent. */
  async text(number: number): Promise<string> {
    return (await this.texts(number)).at(-1) ?? '';
  }

  async texts(number: number): Promise<string[]> {
    const texts: string[] = [];
    for (const range of this.bytes(number)) texts.push(await this.#reader.text(range));
    return texts;
  }

  /** The number in the last of these fields. */
  async int(...numbers: readonly number[]): Promise<number | undefined> {
    return (await this.ints(...numbers)).at(-1);
  }

  async ints(...numbers: readonly number[]): Promise<number[]> {
    const values: number[] = [];
    for (const field of this.#fields) {
      if (numbers.includes(field.number)) values.push(...(await this.#reader.integers(field)));
    }
    return values;
  }

  async float(number: number): Promise<number | undefined> {
    const field = this.#fields.findLast((candidate) => candidate.number === number);
    return field && this.#reader.float(field);
  }
}

/** Bytes after the key and, for wire type 0, the number. */
function fixedLength(wireType: number): number {
  switch (wireType) {
    case 0:
      return 0;
    case 1:
      return 8;
    case 5:
      return 4;
    default:
      throw new Error(`wire type ${wireType} does not exist`);
  }
}
