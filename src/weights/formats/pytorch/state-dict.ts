import { isTensor, type PickledTensor, PickleTuple, type PickleValue } from './pickle-values.ts';

/** Dictionaries in dictionaries, deeper than any checkpoint has them. */
const MAX_DEPTH = 8;

/**
 * The tensors of a pickle's value by name. Those in nested dictionaries and lists (`{'state_dict': …}`) have
 * the keys in front of their names, with dots between. A container that contains itself is gone through once.
 */
export function tensorsOf(value: PickleValue): Map<string, PickledTensor> {
  const found = new Map<string, PickledTensor>();
  const seen = new Set<PickleValue>();
  const visit = (item: PickleValue, path: readonly string[]): void => {
    if (isTensor(item)) {
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
