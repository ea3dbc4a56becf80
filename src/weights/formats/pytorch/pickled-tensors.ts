/** Finds the tensors in a pickle, and reads their values in row-major order whatever their strides. */
import { elementCount } from '../../../core/shape.ts';
import { elementBytes, isReadable } from '../../tensors/element-types.ts';
import { type ByteSource, type SourceTensor, streamElements } from '../../tensors/source-tensor.ts';
import { damaged, unreadable } from '../../weight-errors.ts';
import { PickledTensor, PickleTuple, type PickleValue } from './pickle-values.ts';

/** Where a storage's values are in the file. */
export interface StoragePlace {
  readonly source: ByteSource;
  readonly position: number;
  readonly bytes: number;
}

/**
 * @param place finds a tensor's storage when the tensor is read
 * @throws UserError naming file and tensor, when it is read, if it extends beyond its storage.
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
        throw damaged(path, 'PyTorch', `tensor ${name} extends beyond its storage of ${bytes} bytes`);
      }
      const start = position + tensor.offset * size;
      if (isContiguous(tensor)) {
        await streamElements(source, start, count, storage.type, visit);
        return;
      }
      // A view such as a transposed matrix or channels-last has each value once, in another order.
      if (span > count) {
        throw damaged(
          path,
          'PyTorch',
          `tensor ${name} is a sparse view of its storage; save a contiguous copy`,
        );
      }
      const laid = new Float32Array(span);
      await streamElements(source, start, span, storage.type, (values, offset) => laid.set(values, offset));
      visit(inOrder(tensor, laid), 0);
    },
  };
}

/** Number of elements from a view's first up to and including its last. */
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

/** Greatest depth of nested dictionaries; checkpoints have less. */
const MAX_DEPTH = 8;

/**
 * The tensors in a pickle's value, by name. Names in nested dictionaries and lists (`{'state_dict': …}`) are prefixed
 * with the keys, separated by dots. Each container is visited once, even if it contains itself.
 */
export function tensorsOf(value: PickleValue): Map<string, PickledTensor> {
  const found = new Map<string, PickledTensor>();
  const seen = new Set<PickleValue>();
  const visit = (item: PickleValue, path: readonly string[]): void => {
    if (item instanceof PickledTensor) {
      found.set(path.join('.'), item);
      return;
    }
    const children = childrenOf(item);
    if (!children || seen.has(item) || path.length >= MAX_DEPTH) return;
    seen.add(item);
    for (const [key, child] of children) visit(child, [...path, key]);
  };
  visit(value, []);
  return found;
}

function childrenOf(value: PickleValue): [string, PickleValue][] | undefined {
  if (value instanceof Map) {
    return [...value].flatMap(([key, child]): [string, PickleValue][] =>
      typeof key === 'string' || typeof key === 'number' ? [[String(key), child]] : [],
    );
  }
  const items = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : undefined;
  return items?.map((child, index) => [String(index), child]);
}
