/** Finds the tensors in a pickle, and where their values are. */
import { elementBytes } from '../../tensors/element-types.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { type StoredValues, stridedTensor } from '../../tensors/strided-tensor.ts';
import { damaged } from '../../weight-errors.ts';
import { PickledTensor, PickleObject, PickleTuple, type PickleValue } from './pickle-values.ts';

/**
 * @param place finds a tensor's storage when the tensor is read
 * @throws UserError naming file and tensor, when it is read, if it extends beyond its storage.
 */
export function sourceTensor(
  path: string,
  name: string,
  { storage, offset, shape, strides }: PickledTensor,
  place: () => Promise<StoredValues>,
): SourceTensor {
  const { type, count } = storage;
  return stridedTensor({ path, format: 'PyTorch', name, type, shape, strides }, async () => {
    const { source, position, bytes } = await place();
    const size = elementBytes(type)!;
    const start = Math.min(offset * size, bytes);
    if (Math.min(bytes, count * size) < start) {
      throw damaged(path, 'PyTorch', `tensor ${name} extends beyond its storage of ${bytes} bytes`);
    }
    return { source, position: position + start, bytes: Math.min(bytes, count * size) - start };
  });
}

/** Greatest depth of nested dictionaries; checkpoints have less. */
const MAX_DEPTH = 8;

/**
 * The tensors in a pickle's value, by name. Names in nested dictionaries, lists and objects (`{'state_dict': …}`) are
 * prefixed with the keys, separated by dots; those in a module are the names in its state_dict. Each container is visited once, even if it contains itself.
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

/** Whether a dictionary or list holds NumPy arrays, which are not read. */
export function holdsArrays(value: PickleValue): boolean {
  return (childrenOf(value) ?? []).some(
    ([, child]) => child instanceof PickleObject && /^numpy\..*\._reconstruct$/.test(child.name),
  );
}

type Child = [name: string, value: PickleValue];

function childrenOf(value: PickleValue): Child[] | undefined {
  if (value instanceof Map) return namedItems(value);
  if (value instanceof PickleObject) return [...namedItems(value.entries), ...attributesOf(value)];
  return sequenceOf(value)?.map((child, index) => [String(index), child]);
}

function namedItems(items: ReadonlyMap<PickleValue, PickleValue>): Child[] {
  return [...items].flatMap(([key, child]): Child[] =>
    typeof key === 'string' || typeof key === 'number' ? [[String(key), child]] : [],
  );
}

/** Where a module keeps what its state_dict lists, which has the names without these. */
const MODULE_PARTS: readonly PickleValue[] = ['_parameters', '_buffers', '_modules'];

/** An object's attributes by name, and its items by number. With slots its state is a tuple of dictionaries. */
function attributesOf({ state, items }: PickleObject): Child[] {
  const states = state instanceof PickleTuple ? state.items : [state];
  const attributes = states
    .flatMap((part) => (part instanceof Map ? namedItems(part) : []))
    .flatMap(([name, child]): Child[] =>
      MODULE_PARTS.includes(name) ? (childrenOf(child) ?? []) : [[name, child]],
    );
  return [...attributes, ...items.map((child, index): Child => [String(index), child])];
}

function sequenceOf(value: PickleValue): readonly PickleValue[] | undefined {
  return value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : undefined;
}
