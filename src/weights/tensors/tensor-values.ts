/** A tensor's values from the bytes of a safetensors file, wherever those come from. */
import { UserError } from '../../core/errors.ts';
import { elementCount } from '../../core/shape.ts';
import type { TensorEntry } from '../formats/safetensors/header.ts';
import { elementBytes, isReadable, readableTypes, widen } from './element-types.ts';

/** Read at a time: enough for the disk's full speed, little beside the tensors. */
const CHUNK_BYTES = 8 * 2 ** 20;

/** Fills `target` with a tensor's bytes from `at` on; called for one piece after the other. */
export type FillBytes = (at: number, target: Uint8Array) => Promise<void>;

/**
 * Reads a tensor as float32 (F16 and BF16 widened, F64 rounded).
 * @param path what messages call the file
 * @param onRead hears of every piece's bytes
 * @param place an array to read into, where it has the right size
 * @throws UserError when the tensor holds anything but floating-point numbers.
 */
export async function readTensor(
  path: string,
  { name, type, shape, start, end }: TensorEntry,
  fill: FillBytes,
  onRead: (bytes: number) => void,
  place?: Float32Array,
): Promise<Float32Array> {
  if (!isReadable(type)) {
    throw new UserError(
      `${path}: tensor ${JSON.stringify(name)} holds ${type}, and only ${readableTypes.join(', ')} can be read; write it anew in one of those`,
    );
  }
  const count = elementCount(shape);
  const data = place?.length === count ? place : new Float32Array(count);
  const size = elementBytes(type)!;
  // F32 needs no second place: its bytes go straight into the array.
  const scratch = type === 'F32' ? undefined : new Uint8Array(Math.min(CHUNK_BYTES, end - start));
  for (let at = 0; at < end - start; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, end - start - at);
    const target = scratch?.subarray(0, length) ?? bytesOf(data).subarray(at, at + length);
    await fill(at, target);
    if (scratch) widen(type, target, data, at / size);
    onRead(length);
  }
  return data;
}

/** The bytes under float32 values. What this runs on is little-endian, as the format is. */
export function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
