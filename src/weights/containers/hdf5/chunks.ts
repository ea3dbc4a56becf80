/** Reads datasets in chunks, compressed or not (format specification, III.A.1, IV.A.2.i and l). */
import { inflateSync } from 'node:zlib';
import { messageOf } from '../../../core/errors.ts';
import { elementCount, type Shape } from '../../../core/shape.ts';
import { type ReadableType, widen } from '../../tensors/element-types.ts';
import type { Visit } from '../../tensors/source-tensor.ts';
import type { Cursor, Hdf5Source } from './hdf5-source.ts';

export interface ChunkedLayout {
  readonly kind: 'chunked';
  /** Address of the root of a B-tree of chunks; −1 if nothing was written. */
  readonly tree: number;
  readonly chunkShape: Shape;
  readonly elementSize: number;
  readonly filters: readonly number[];
}

/** Filter identifiers. */
const DEFLATE = 1;
const SHUFFLE = 2;
const FLETCHER32 = 3;
const MAX_CHUNK_BYTES = 256 * 2 ** 20;

export function readChunkedLayout(
  source: Hdf5Source,
  name: string,
  cursor: Cursor,
  filters: Cursor | undefined,
): ChunkedLayout {
  const rank = cursor.u8() - 1;
  const tree = cursor.u64();
  const extents = Array.from({ length: Math.max(0, rank) + 1 }, () => cursor.u32());
  const elementSize = extents.pop()!;
  if (elementCount(extents) * elementSize > MAX_CHUNK_BYTES || extents.some((extent) => extent === 0)) {
    throw source.broken(`dataset ${name} has chunks of ${extents.join('×')}`);
  }
  return {
    kind: 'chunked',
    tree,
    chunkShape: extents,
    elementSize,
    filters: filters ? readFilters(source, name, filters) : [],
  };
}

function readFilters(source: Hdf5Source, name: string, cursor: Cursor): number[] {
  const version = cursor.u8();
  const count = cursor.u8();
  if (version === 1) cursor.skip(6);
  return Array.from({ length: count }, () => {
    const filter = cursor.u16();
    const nameLength = version === 1 || filter >= 256 ? cursor.u16() : 0;
    cursor.skip(2);
    const values = cursor.u16();
    cursor.skip(version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength).skip(4 * values);
    if (version === 1 && values % 2 === 1) cursor.skip(4);
    if (filter !== DEFLATE && filter !== SHUFFLE && filter !== FLETCHER32) {
      throw source.broken(
        `dataset ${name} is compressed by filter ${filter}, which is not supported; unpack it with h5repack -f NONE`,
      );
    }
    return filter;
  });
}

interface ChunkEntry {
  readonly bytes: number;
  readonly mask: number;
  readonly offset: readonly number[];
  readonly address: number;
}

/** Passes on a dataset chunk by chunk, row by row. @throws UserError unless the chunks are complete. */
export async function streamChunks(
  source: Hdf5Source,
  { name, shape }: { readonly name: string; readonly shape: Shape },
  layout: ChunkedLayout,
  type: ReadableType,
  visit: Visit,
): Promise<void> {
  if (layout.chunkShape.length !== shape.length || shape.length === 0) {
    throw source.broken(`dataset ${name} has chunks with another number of dimensions`);
  }
  const chunkCount = elementCount(layout.chunkShape);
  const values = new Float32Array(chunkCount);
  let seen = 0;
  for (const entry of await readChunkEntries(source, name, layout)) {
    const bytes = await readChunk(source, name, layout, entry);
    widen(type, bytes, values);
    seen += visitRows(shape, layout.chunkShape, entry.offset, values, visit);
  }
  if (seen !== elementCount(shape)) {
    throw source.broken(`dataset ${name} has ${seen} values in its chunks instead of ${elementCount(shape)}`);
  }
}

async function readChunkEntries(
  source: Hdf5Source,
  name: string,
  { tree, chunkShape }: ChunkedLayout,
): Promise<ChunkEntry[]> {
  const entries: ChunkEntry[] = [];
  const seen = new Set<number>();
  const places = new Set<string>();
  const keyBytes = 8 + 8 * (chunkShape.length + 1);
  const visit = async (address: number): Promise<void> => {
    if (seen.has(address)) throw source.broken(`dataset ${name} has a tree of chunks that contains itself`);
    seen.add(address);
    const head = (await source.at(address, 24)).expect('TREE').skip(1);
    const level = head.u8();
    const count = head.u16();
    const body = await source.at(address + 24, count * (keyBytes + 8));
    const children: number[] = [];
    for (let i = 0; i < count; i++) {
      const [bytes, mask] = [body.u32(), body.u32()];
      const offset = chunkShape.map(() => body.u64());
      const child = body.skip(8).u64();
      children.push(child);
      if (level > 0) continue;
      if (places.has(offset.join())) throw source.broken(`dataset ${name} has a duplicate chunk`);
      places.add(offset.join());
      entries.push({ bytes, mask, offset, address: child });
    }
    if (level > 0) for (const child of children) await visit(child);
  };
  if (tree !== -1) await visit(tree);
  return entries;
}

async function readChunk(
  source: Hdf5Source,
  name: string,
  { chunkShape, elementSize, filters }: ChunkedLayout,
  { bytes, mask, address }: ChunkEntry,
): Promise<Uint8Array> {
  const whole = elementCount(chunkShape) * elementSize;
  source.checkRange(address, bytes);
  let data: Uint8Array = Buffer.alloc(bytes);
  await source.data.readInto(address, data);
  for (const [index, filter] of [...filters.entries()].reverse()) {
    if (mask & (1 << index)) continue;
    if (filter === FLETCHER32) data = data.subarray(0, -4);
    if (filter === DEFLATE) data = inflate(source, name, data, whole);
    if (filter === SHUFFLE) data = unshuffle(data, elementSize);
  }
  if (data.length !== whole)
    throw source.broken(`a chunk of dataset ${name} has ${data.length} bytes instead of ${whole}`);
  return data;
}

function inflate(source: Hdf5Source, name: string, data: Uint8Array, limit: number): Uint8Array {
  try {
    return inflateSync(data, { maxOutputLength: limit + 4 });
  } catch (error) {
    throw source.broken(`a chunk of dataset ${name} cannot be unpacked (${messageOf(error)})`);
  }
}

/** Restores elements that are stored as all first bytes, then all second bytes, and so on. */
function unshuffle(data: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(data.length / size);
  const result = Uint8Array.from(data);
  for (let byte = 0; byte < size; byte++) {
    for (let i = 0; i < count; i++) result[i * size + byte] = data[byte * count + i]!;
  }
  return result;
}

/** Passes on the rows of a chunk that are inside the dataset. @returns the number of values */
function visitRows(
  shape: Shape,
  chunkShape: Shape,
  offset: readonly number[],
  values: Float32Array,
  visit: Visit,
): number {
  const last = shape.length - 1;
  const length = Math.min(chunkShape[last]!, shape[last]! - offset[last]!);
  if (length <= 0) return 0;
  const rows = elementCount(chunkShape.slice(0, last));
  let seen = 0;
  for (let row = 0; row < rows; row++) {
    let rest = row;
    let [target, stride, inside] = [offset[last]!, shape[last]!, true];
    for (let axis = last - 1; axis >= 0; axis--) {
      const index = offset[axis]! + (rest % chunkShape[axis]!);
      rest = Math.floor(rest / chunkShape[axis]!);
      inside &&= index < shape[axis]!;
      target += index * stride;
      stride *= shape[axis]!;
    }
    if (!inside) continue;
    visit(values.subarray(row * chunkShape[last]!, row * chunkShape[last]! + length), target);
    seen += length;
  }
  return seen;
}
