/** Builds protocol-buffer messages; large fields are passed on, not copied. */
import protobuf from 'protobufjs';

const VARINT = 0;
const LENGTH = 2;
const FIXED32 = 5;

/** A message as pieces, with fields in the order they were added. */
export class Message {
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  int(field: number, value: number): this {
    return this.#add(writer(field, VARINT).int64(value).finish());
  }

  float(field: number, value: number): this {
    return this.#add(writer(field, FIXED32).float(value).finish());
  }

  text(field: number, value: string): this {
    return this.#add(writer(field, LENGTH).string(value).finish());
  }

  /** Adds each value in a separate field, or all in one. */
  ints(field: number, values: readonly number[], packed = false): this {
    if (!packed) {
      for (const value of values) this.int(field, value);
      return this;
    }
    const numbers = protobuf.Writer.create();
    for (const value of values) numbers.int64(value);
    return this.bytes(field, numbers.finish());
  }

  /** @param value kept, not copied */
  bytes(field: number, value: Uint8Array): this {
    return this.#add(writer(field, LENGTH).uint32(value.byteLength).finish()).#add(value);
  }

  message(field: number, value: Message): this {
    this.#add(writer(field, LENGTH).uint32(value.size).finish());
    for (const piece of value.pieces) this.#add(piece);
    return this;
  }

  #add(piece: Uint8Array): this {
    this.#pieces.push(piece);
    this.#size += piece.byteLength;
    return this;
  }
}

function writer(field: number, wireType: number): protobuf.Writer {
  return protobuf.Writer.create().uint32((field << 3) | wireType);
}
