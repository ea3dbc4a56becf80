/**
 * Writes HDF5 files in the oldest version, which every version of the library reads: groups with symbol tables, text
 * attributes, contiguous datasets. The data comes first and is passed on, not copied; the structures that describe it
 * follow.
 */
import { elementCount, type Shape } from '../../../core/shape.ts';
import { HDF5_SIGNATURE } from '../../formats/signatures.ts';

export interface DatasetSpec {
  readonly shape: Shape;
  /** float32, or bytes. */
  readonly type: 'F32' | 'U8';
  /** The values' bytes in order, produced when they are written. */
  content(): Iterable<Uint8Array>;
}

export interface GroupSpec {
  /** A string, or a list of strings. */
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
  readonly groups?: Readonly<Record<string, GroupSpec>>;
  readonly datasets?: Readonly<Record<string, DatasetSpec>>;
}

const SUPERBLOCK_BYTES = 96;
const UNDEFINED = 0xffffffffffffffffn;
/** Half the number of entries in a symbol node. One node can hold any group that we write. */
const LEAF_K = 256;
const INTERNAL_K = 16;
/** A message's length is a 16-bit number. */
const MAX_MESSAGE_BYTES = 65_000;

/** @throws RangeError when an attribute is too long, or a group has too many members. */
export function* hdf5File(root: GroupSpec): Generator<Uint8Array> {
  const datasets = [...datasetsOf(root)];
  const addresses = new Map<DatasetSpec, number>();
  let end = SUPERBLOCK_BYTES;
  for (const dataset of datasets) {
    addresses.set(dataset, end);
    end = aligned(end + dataBytes(dataset));
  }
  const structures = new Structures(end, addresses);
  const rootAddress = structures.group(root);
  yield superblock(rootAddress, structures.end);
  for (const dataset of datasets) {
    yield* dataset.content();
    yield Buffer.alloc(aligned(dataBytes(dataset)) - dataBytes(dataset));
  }
  yield* structures.pieces;
}

function* datasetsOf({ groups = {}, datasets = {} }: GroupSpec): Generator<DatasetSpec> {
  yield* Object.values(datasets);
  for (const group of Object.values(groups)) yield* datasetsOf(group);
}

function dataBytes({ shape, type }: DatasetSpec): number {
  return elementCount(shape) * (type === 'F32' ? 4 : 1);
}

function aligned(size: number): number {
  return Math.ceil(size / 8) * 8;
}

function superblock(root: number, end: number): Buffer {
  return new Bytes()
    .append(Buffer.from(HDF5_SIGNATURE, 'latin1'))
    .u8(0, 0, 0, 0, 0, 8, 8, 0)
    .u16(LEAF_K, INTERNAL_K)
    .u32(0)
    .u64(0, UNDEFINED, end, UNDEFINED)
    .u64(0, root)
    .u32(0, 0)
    .zeros(16)
    .buffer();
}

/** Builds the structures that describe the data, from a given address on. */
class Structures {
  readonly pieces: Buffer[] = [];
  end: number;
  readonly #addresses: ReadonlyMap<DatasetSpec, number>;

  constructor(start: number, addresses: ReadonlyMap<DatasetSpec, number>) {
    this.end = start;
    this.#addresses = addresses;
  }

  /** @returns the address of its object header */
  group({ attributes = {}, groups = {}, datasets = {} }: GroupSpec): number {
    const members = new Map<string, number>();
    for (const [name, dataset] of Object.entries(datasets)) members.set(name, this.#dataset(dataset));
    for (const [name, group] of Object.entries(groups)) members.set(name, this.group(group));
    const table = this.#symbolTable(members);
    return this.#header([
      [0x11, table],
      ...Object.entries(attributes).map(([name, value]): Message => [0xc, attribute(name, value)]),
    ]);
  }

  #dataset(dataset: DatasetSpec): number {
    const { shape, type } = dataset;
    return this.#header([
      [0x1, dataspace(shape)],
      [0x3, type === 'F32' ? float32() : byte()],
      // Fill value, version 2: allocated early, never written, not defined.
      [0x5, new Bytes().u8(2, 1, 1, 0).buffer()],
      [0x8, new Bytes().u8(3, 1).u64(this.#addresses.get(dataset)!, dataBytes(dataset)).buffer()],
    ]);
  }

  #symbolTable(members: ReadonlyMap<string, number>): Buffer {
    const sorted = [...members].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    if (sorted.length > 2 * LEAF_K) throw new RangeError(`a group of ${sorted.length} members`);
    // The heap begins with the empty string, which the tree's first key refers to.
    const names = new Bytes().zeros(8);
    const offsets = sorted.map(([name]) => {
      const offset = names.size;
      names.text(`${name}\0`).align(8);
      return offset;
    });
    const heapData = this.#place(names.buffer());
    const heap = this.#place(new Bytes().text('HEAP').u8(0, 0, 0, 0).u64(names.size, 1, heapData).buffer());
    const symbols = new Bytes().text('SNOD').u8(1, 0).u16(sorted.length);
    for (const [index, [, address]] of sorted.entries()) {
      symbols.u64(offsets[index]!, address).u32(0, 0).zeros(16);
    }
    const node = this.#place(symbols.fill(8 + 2 * LEAF_K * 40).buffer());
    const tree = new Bytes()
      .text('TREE')
      .u8(0, 0)
      .u16(sorted.length > 0 ? 1 : 0)
      .u64(UNDEFINED, UNDEFINED);
    if (sorted.length > 0) tree.u64(0, node, offsets.at(-1)!);
    const treeBytes = 24 + (2 * INTERNAL_K + 1) * 8 + 2 * INTERNAL_K * 8;
    return new Bytes().u64(this.#place(tree.fill(treeBytes).buffer()), heap).buffer();
  }

  #header(messages: readonly Message[]): number {
    const body = new Bytes();
    for (const [type, content] of messages) {
      const size = aligned(content.length);
      if (size > MAX_MESSAGE_BYTES) throw new RangeError(`an attribute of ${size} bytes`);
      body.u16(type, size).u8(0, 0, 0, 0).append(content).align(8);
    }
    return this.#place(
      new Bytes().u8(1, 0).u16(messages.length).u32(1, body.size, 0).append(body.buffer()).buffer(),
    );
  }

  #place(bytes: Buffer): number {
    const address = this.end;
    this.pieces.push(bytes, Buffer.alloc(aligned(bytes.length) - bytes.length));
    this.end += aligned(bytes.length);
    return address;
  }
}

type Message = readonly [type: number, content: Buffer];

/** An attribute of fixed-length strings, version 1. */
function attribute(name: string, value: string | readonly string[]): Buffer {
  const strings = (typeof value === 'string' ? [value] : value).map((text) => Buffer.from(text));
  const length = Math.max(1, ...strings.map(({ length }) => length));
  // Class 3, version 1; padded with zeros, UTF-8.
  const datatype = new Bytes().u8(0x13, 0x11, 0, 0).u32(length).buffer();
  const space = dataspace(typeof value === 'string' ? [] : [value.length]);
  const out = new Bytes().u8(1, 0).u16(Buffer.byteLength(name) + 1, datatype.length, space.length);
  out.text(`${name}\0`).align(8).append(datatype).align(8).append(space).align(8);
  for (const text of strings) out.append(text).zeros(length - text.length);
  return out.buffer();
}

function dataspace(shape: Shape): Buffer {
  return new Bytes()
    .u8(1, shape.length, 0, 0, 0, 0, 0, 0)
    .u64(...shape)
    .buffer();
}

/** IEEE 754 binary32, little-endian: sign bit 31, exponent 8 bits from 23 with bias 127, fraction 23 bits. */
function float32(): Buffer {
  return new Bytes().u8(0x11, 0x20, 31, 0).u32(4).u16(0, 32).u8(23, 8, 0, 23).u32(127).buffer();
}

function byte(): Buffer {
  return new Bytes().u8(0x10, 0, 0, 0).u32(1).u16(0, 8).buffer();
}

/** Builds bytes from little-endian numbers. */
class Bytes {
  readonly #parts: Buffer[] = [];
  size = 0;

  append(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.size += bytes.length;
    return this;
  }

  text(text: string): this {
    return this.append(Buffer.from(text));
  }

  u8(...values: number[]): this {
    return this.append(Buffer.from(values));
  }

  u16(...values: number[]): this {
    return this.append(Buffer.from(Uint16Array.from(values).buffer));
  }

  u32(...values: number[]): this {
    return this.append(Buffer.from(Uint32Array.from(values).buffer));
  }

  u64(...values: (number | bigint)[]): this {
    return this.append(Buffer.from(BigUint64Array.from(values.map(BigInt)).buffer));
  }

  zeros(count: number): this {
    return this.append(Buffer.alloc(count));
  }

  align(to: number): this {
    return this.zeros((to - (this.size % to)) % to);
  }

  fill(size: number): this {
    return this.zeros(size - this.size);
  }

  buffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
