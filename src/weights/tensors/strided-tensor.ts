/** Tensors that are stored in any order of their axes: PyTorch's views, NumPy's Fortran order, MATLAB's columns. */
import { elementCount, type Shape } from '../../core/shape.ts';
import { damaged, unreadable } from '../weight-errors.ts';
import { elementBytes, isReadable, type ReadableType } from './element-types.ts';
import { type ByteSource, type SourceTensor, streamElements, type Visit } from './source-tensor.ts';

/** Bytes that hold a tensor's values, and possibly others. */
export interface StoredValues {
  readonly source: ByteSource;
  readonly position: number;
  readonly bytes: number;
}

interface Strided {
  readonly path: string;
  /** For messages: `PyTorch`. */
  readonly format: string;
  readonly name: string;
  readonly type: string;
  readonly shape: Shape;
  /** Stride of each axis, in elements (default: row-major). */
  readonly strides?: readonly number[];
}

/**
 * A tensor whose values are passed on in row-major order.
 * @param place finds the values when the tensor is read; its position is that of the first
 * @throws UserError naming file and tensor, when it is read, if it extends beyond its place.
 */
export function stridedTensor(tensor: Strided, place: () => Promise<StoredValues>): SourceTensor {
  const { path, format, name, type, shape, strides = rowMajor(shape) } = tensor;
  const count = elementCount(shape);
  return {
    name,
    type,
    shape,
    async read(visit) {
      if (!isReadable(type)) throw unreadable(path, name, type);
      if (count === 0) return;
      const { source, position, bytes } = await place();
      const span = spanOf(shape, strides);
      if (span * elementBytes(type)! > bytes) {
        throw damaged(path, format, `tensor ${name} extends beyond its storage of ${bytes} bytes`);
      }
      if (isRowMajor(shape, strides)) return streamElements(source, position, count, type, visit);
      // A view such as a transposed matrix or channels-last has each value once, in another order.
      if (span > count) {
        throw damaged(path, format, `tensor ${name} is a sparse view of its storage; save a contiguous copy`);
      }
      return readSlices({ source, position, bytes }, type, shape, strides, visit);
    },
  };
}

/** Reads one index of the first axis at a time if its slices are apart, which takes little memory; else all at once. */
async function readSlices(
  { source, position }: StoredValues,
  type: ReadableType,
  shape: Shape,
  strides: readonly number[],
  visit: Visit,
): Promise<void> {
  const [extent = 1, ...inner] = shape;
  const [stride = 1, ...innerStrides] = strides;
  const size = elementCount(inner);
  const apart = stride === size && spanOf(inner, innerStrides) === size;
  const parts = apart ? extent : 1;
  const [partShape, partStrides] = apart ? [inner, innerStrides] : [shape, strides];
  const count = elementCount(partShape);
  const span = spanOf(partShape, partStrides);
  const laid = new Float32Array(span);
  const values = new Float32Array(count);
  for (let part = 0; part < parts; part++) {
    const start = position + part * count * elementBytes(type)!;
    await streamElements(source, start, span, type, (piece, offset) => laid.set(piece, offset));
    reorder(partShape, partStrides, laid, values);
    visit(values, part * count);
  }
}

function rowMajor(shape: Shape): number[] {
  let stride = 1;
  return shape
    .map((_, index) => {
      const own = stride;
      stride *= shape[shape.length - 1 - index]!;
      return own;
    })
    .reverse();
}

/** Number of elements from the first up to and including the last. */
function spanOf(shape: Shape, strides: readonly number[]): number {
  return 1 + shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis]!, 0);
}

function isRowMajor(shape: Shape, strides: readonly number[]): boolean {
  const expected = rowMajor(shape);
  return shape.every((extent, axis) => extent === 1 || strides[axis] === expected[axis]);
}

function reorder(shape: Shape, strides: readonly number[], laid: Float32Array, values: Float32Array): void {
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < values.length; to++) {
    values[to] = laid[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}
