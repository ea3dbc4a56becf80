/** A PyTorch tensor as values in row-major order, whatever its strides. */
import { elementCount } from '../../../core/shape.ts';
import { damaged, unreadable } from '../../import/errors.ts';
import { elementBytes, isReadable } from '../../tensors/element-types.ts';
import { type ByteSource, type SourceTensor, streamElements } from '../../tensors/source-tensor.ts';
import type { PickledTensor } from './pickle-values.ts';

/** Where a storage's values lie. */
export interface StoragePlace {
  readonly source: ByteSource;
  readonly position: number;
  readonly bytes: number;
}

/**
 * @param place finds a tensor's storage when it is read
 * @throws UserError naming file and tensor, when read, if it reaches beyond its storage.
 */
export function sourceTensor(
  path: string,
  name: string,
  tensor: PickledTensor,
  place: () => Promise<StoragePlace>,
): SourceTensor {
  const { storage, shape } = tensor;
  const count = elementCount(shape);
  return {
    name,
    type: storage.type,
    shape,
    async read(visit) {
      if (!isReadable(storage.type)) throw unreadable(path, name, storage.type);
      if (count === 0) return;
      const { source, position, bytes } = await place();
      const size = elementBytes(storage.type)!;
      const span = spanOf(tensor);
      if (tensor.offset + span > storage.count || (tensor.offset + span) * size > bytes) {
        throw damaged(path, 'PyTorch', `tensor ${name} reaches beyond its storage of ${bytes} bytes`);
      }
      const start = position + tensor.offset * size;
      if (isContiguous(tensor)) {
        await streamElements(source, start, count, storage.type, visit);
        return;
      }
      // A view such as a transposed matrix, or channels-last: each of its values once, in another order.
      if (span > count) {
        throw damaged(path, 'PyTorch', `tensor ${name} is a part of its storage; save a contiguous copy`);
      }
      const laid = new Float32Array(span);
      await streamElements(source, start, span, storage.type, (values, offset) => laid.set(values, offset));
      visit(inOrder(tensor, laid), 0);
    },
  };
}

/** Elements from a view's first to behind its last. */
function spanOf({ shape, strides }: PickledTensor): number {
  return 1 + shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis]!, 0);
}

function isContiguous({ shape, strides }: PickledTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function inOrder({ shape, strides }: PickledTensor, laid: Float32Array): Float32Array {
  const values = new Float32Array(elementCount(shape));
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
  return values;
}
