/** Reads the data elements that MAT-files consist of: a tag (type and size), the data, padding to 8 bytes. */

/** Storage types: how many bytes each number takes and how to read one. */
const STORAGE: Record<
  number,
  { size: number; read: (view: DataView, at: number, little: boolean) => number }
> = {
  1: { size: 1, read: (view, at) => view.getInt8(at) },
  2: { size: 1, read: (view, at) => view.getUint8(at) },
  3: { size: 2, read: (view, at, little) => view.getInt16(at, little) },
  4: { size: 2, read: (view, at, little) => view.getUint16(at, little) },
  5: { size: 4, read: (view, at, little) => view.getInt32(at, little) },
  6: { size: 4, read: (view, at, little) => view.getUint32(at, little) },
  7: { size: 4, read: (view, at, little) => view.getFloat32(at, little) },
  9: { size: 8, read: (view, at, little) => view.getFloat64(at, little) },
  12: { size: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  13: { size: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
};
const MI_SINGLE = 7;
const MI_DOUBLE = 9;
const MI_COMPRESSED = 15;
const MI_UTF8 = 16;
const MI_UTF16 = 17;
const MI_UTF32 = 18;

/** Numbers as they are stored. */
export interface StoredNumbers {
  /** `F32` or `F64` if that is how they are stored, in little-endian order. */
  readonly type?: 'F32' | 'F64';
  readonly bytes: Uint8Array;
  /** Their values, however they are stored. */
  values(): Float32Array;
}

export class MatBytes {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** The next element. @throws RangeError when the bytes end within it. */
  element(): { type: number; bytes: MatBytes } {
    const first = this.#view.getUint32(this.#at, this.littleEndian);
    // A small element has its size in the upper half of the first word, and its data in the second word.
    const small = first >>> 16;
    const type = small === 0 ? first : first & 0xffff;
    const size = small === 0 ? this.#view.getUint32(this.#at + 4, this.littleEndian) : small;
    const start = this.#at + (small === 0 ? 8 : 4);
    const end = start + size;
    if (end > this.bytes.length) throw new RangeError('it ends within an element');
    // Compressed elements are the only ones that are not padded.
    const padded =
      small === 0 ? start + (type === MI_COMPRESSED ? size : Math.ceil(size / 8) * 8) : start + 4;
    this.#at = Math.min(padded, this.bytes.length);
    return { type, bytes: new MatBytes(this.bytes.subarray(start, end), this.littleEndian) };
  }

  /** The next element as numbers, however they are stored. */
  numbers(): number[] {
    const { type, bytes } = this.element();
    const storage = STORAGE[type];
    if (storage === undefined) throw new RangeError(`numbers stored as type ${type}`);
    const { size, read } = storage;
    return Array.from({ length: Math.floor(bytes.bytes.length / size) }, (_, i) =>
      read(bytes.#view, i * size, this.littleEndian),
    );
  }

  /** The next element as numbers that are read later. @throws RangeError unless there are `count` */
  stored(count: number): StoredNumbers {
    const { type, bytes } = this.element();
    const storage = STORAGE[type];
    if (storage === undefined) throw new RangeError(`numbers stored as type ${type}`);
    const { size, read } = storage;
    if (bytes.bytes.length !== count * size) {
      throw new RangeError(`an array of ${count} numbers has ${bytes.bytes.length / size}`);
    }
    const name = type === MI_SINGLE ? 'F32' : type === MI_DOUBLE ? 'F64' : undefined;
    return {
      type: this.littleEndian ? name : undefined,
      bytes: bytes.bytes,
      values: () =>
        Float32Array.from({ length: count }, (_, i) => read(bytes.#view, i * size, this.littleEndian)),
    };
  }

  /** The next element as text: UTF-8, UTF-16 or one number per character. */
  text(): string {
    const start = this.#at;
    const { type, bytes } = this.element();
    if (type === MI_UTF8) return Buffer.from(bytes.bytes).toString('utf8');
    if (type === MI_UTF16) return bytes.#codes(2);
    if (type === MI_UTF32) return bytes.#codes(4);
    this.#at = start;
    return this.numbers()
      .map((code) => String.fromCharCode(code))
      .join('');
  }

  #codes(size: 2 | 4): string {
    const read = size === 2 ? STORAGE[4]!.read : STORAGE[6]!.read;
    const codes = Array.from({ length: Math.floor(this.bytes.length / size) }, (_, i) =>
      read(this.#view, i * size, this.littleEndian),
    );
    return size === 2
      ? codes.map((code) => String.fromCharCode(code)).join('')
      : codes.map((code) => String.fromCodePoint(code)).join('');
  }
}
