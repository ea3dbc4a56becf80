/** Tensors in a file of any format: described without reading them, and read in parts. */
import { elementCount, formatShape, type Shape } from '../../core/shape.ts';
import { elementBytes, type IntegerType, type ReadableType, widen } from './element-types.ts';

/**
 * Receives a run of values.
 * @param values widened to float32; valid only during the call
 * @param offset index of the first value in the tensor, row-major
 */
export type Visit = (values: Float32Array, offset: number) => void;

/** One tensor of an open file. */
export interface SourceTensor {
  /** Its name in the file. */
  readonly name: string;
  /** `F32`, `F16`, `BF16`, `F64`, or the format's own name for an unsupported type. */
  readonly type: string;
  readonly shape: Shape;
  /** Passes on all values, a part at a time. @throws UserError naming file and tensor. */
  read(visit: Visit): Promise<void>;
}

/** Random access to the bytes of a file, or of a part of one. */
export interface ByteSource {
  readInto(position: number, target: Uint8Array): Promise<void>;
}

/** The part of a source from `start` up to, but not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Bytes read at a time: enough for the disk's full speed, and small compared with the tensors. */
export const CHUNK_BYTES = 2 ** 20;

/** An unused chunk to reuse. A new one for each tensor would stay in memory until V8 collects it. */
let spare: Uint8Array<ArrayBuffer> | undefined;

/** Passes on `count` consecutive elements from `position` on. */
export async function streamElements(
  source: ByteSource,
  position: number,
  count: number,
  type: ReadableType | IntegerType,
  visit: Visit,
): Promise<void> {
  const chunk = spare ?? new Uint8Array(CHUNK_BYTES);
  spare = undefined;
  try {
    const size = elementBytes(type)!;
    const perChunk = Math.min(count, CHUNK_BYTES / size);
    const values = type === 'F32' ? new Float32Array(chunk.buffer, 0, perChunk) : new Float32Array(perChunk);
    for (let done = 0; done < count; done += perChunk) {
      const length = Math.min(perChunk, count - done);
      const bytes = chunk.subarray(0, length * size);
      await source.readInto(position + done * size, bytes);
      if (type !== 'F32') widen(type, bytes, values);
      visit(values.subarray(0, length), done);
    }
  } finally {
    spare = chunk;
  }
}

/** Passes on elements that are stored in several ranges, range by range. */
export async function streamRanges(
  source: ByteSource,
  ranges: readonly ByteRange[],
  type: ReadableType | IntegerType,
  visit: Visit,
): Promise<void> {
  let before = 0;
  for (const { start, end } of ranges) {
    const count = (end - start) / elementBytes(type)!;
    const offset = before;
    await streamElements(source, start, count, type, (values, at) => visit(values, offset + at));
    before += count;
  }
}

/**
 * What is wrong with the ranges that should hold a tensor, or undefined.
 * @param size of the source, in bytes
 */
export function rangesFault(
  ranges: readonly ByteRange[],
  shape: Shape,
  type: ReadableType | IntegerType,
  size: number,
): string | undefined {
  const each = elementBytes(type)!;
  const needed = elementCount(shape) * each;
  const found = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  if (found !== needed || ranges.some(({ start, end }) => (end - start) % each !== 0)) {
    return `has ${found} bytes of values, but ${formatShape(shape)} of ${type} takes ${needed}`;
  }
  const last = ranges.at(-1)?.end ?? 0;
  return last > size ? `ends at byte ${last}, but the file has ${size} bytes` : undefined;
}
