/** Tensors in a file, of whatever format: what is known without reading them, and their values when asked for. */
import type { Shape } from '../../core/shape.ts';
import { elementBytes, type ReadableType, widen } from './element-types.ts';

/**
 * Takes a run of values.
 * @param values widened to float32; valid during the call only
 * @param offset the place of the first of them in the tensor, row-major
 */
export type Visit = (values: Float32Array, offset: number) => void;

/** One tensor of a file that is open. */
export interface SourceTensor {
  /** The file's own name for it. */
  readonly name: string;
  /** `F32`, `F16`, `BF16`, `F64`, or the format's word for anything that is not read. */
  readonly type: string;
  readonly shape: Shape;
  /** Hands out all values, a part at a time. @throws UserError naming file and tensor. */
  read(visit: Visit): Promise<void>;
}

/** Bytes that can be read at any place: a file, or a part of one. */
export interface ByteSource {
  readInto(position: number, target: Uint8Array): Promise<void>;
}

/** Read at a time: enough for the disk's full speed, little beside the tensors. */
export const CHUNK_BYTES = 2 ** 20;

/** A chunk that nobody reads into at the moment: one for each tensor would lie about until V8 collects it. */
let spare: Buffer | undefined;

/** Hands out `count` elements that lie one after the other from `position` on. */
export async function streamElements(
  source: ByteSource,
  position: number,
  count: number,
  type: ReadableType,
  visit: Visit,
): Promise<void> {
  const chunk = spare ?? Buffer.alloc(CHUNK_BYTES);
  spare = undefined;
  try {
    await streamThrough(chunk, source, position, count, type, visit);
  } finally {
    spare = chunk;
  }
}

async function streamThrough(
  chunk: Buffer,
  source: ByteSource,
  position: number,
  count: number,
  type: ReadableType,
  visit: Visit,
): Promise<void> {
  const size = elementBytes(type)!;
  const perChunk = Math.min(count, chunk.length / size);
  const values =
    type === 'F32' ? new Float32Array(chunk.buffer, chunk.byteOffset, perChunk) : new Float32Array(perChunk);
  for (let done = 0; done < count; done += perChunk) {
    const length = Math.min(perChunk, count - done);
    const bytes = chunk.subarray(0, length * size);
    await source.readInto(position + done * size, bytes);
    if (type !== 'F32') widen(type, bytes, values, 0);
    visit(values.subarray(0, length), done);
  }
}
