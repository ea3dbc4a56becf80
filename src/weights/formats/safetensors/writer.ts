/** Produces a safetensors file piece by piece, to be written to the disk or sent. */
import { elementCount, formatShape, type Shape } from '../../../core/shape.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import { formatHeader, type TensorEntry } from './header.ts';

export interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  /** Row-major. */
  readonly data: Float32Array;
}

/** A tensor whose values are fetched just before they are written, so that few are in memory at once. */
export interface DeferredTensor {
  readonly name: string;
  readonly shape: Shape;
  read(): Promise<Float32Array>;
}

export type TensorToWrite = NamedTensor | DeferredTensor;

export interface SafetensorsPieces {
  /** Size of the whole file. */
  readonly bytes: number;
  /** The header, then each tensor. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * Stores tensors as F32. Tensors and metadata are sorted by name, so that the same content gives the same bytes.
 * @param path the file's name in messages
 * @throws RangeError when two tensors have the same name, or a shape and its data disagree.
 */
export function safetensorsPieces(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsPieces {
  const sorted = [...tensors].sort((a, b) => compare(a.name, b.name));
  checkTensors(sorted);
  const entries = entriesOf(sorted);
  const header = formatHeader(path, {
    entries,
    metadata: Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b))),
  });
  return { bytes: header.byteLength + (entries.at(-1)?.end ?? 0), pieces: pieces(header, sorted) };
}

async function* pieces(header: Uint8Array, tensors: readonly TensorToWrite[]): AsyncGenerator<Uint8Array> {
  yield header;
  for (const tensor of tensors) {
    if ('data' in tensor) yield bytesOf(tensor.data);
    else yield bytesOf(checkedLength(tensor, await tensor.read()));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function checkTensors(sorted: readonly TensorToWrite[]): void {
  for (const [index, tensor] of sorted.entries()) {
    const { name } = tensor;
    if (name === sorted[index - 1]?.name) throw new RangeError(`two tensors have the name ${name}`);
    if (name === '__metadata__') throw new RangeError('no tensor may have the name __metadata__');
    if ('data' in tensor) checkedLength(tensor, tensor.data);
  }
}

function checkedLength({ name, shape }: TensorToWrite, data: Float32Array): Float32Array {
  if (elementCount(shape) === data.length) return data;
  throw new RangeError(`${name} has ${data.length} values, but its shape is ${formatShape(shape)}`);
}

function entriesOf(tensors: readonly TensorToWrite[]): TensorEntry[] {
  let end = 0;
  return tensors.map(({ name, shape }) => {
    const start = end;
    end += Float32Array.BYTES_PER_ELEMENT * elementCount(shape);
    return { name, type: 'F32', shape, start, end };
  });
}
