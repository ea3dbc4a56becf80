/** The parts of a module that was pickled whole (`torch.save(model)`), as far as they are PyTorch's own layers. */
import type { Operation, Setting, StatedOperations } from '../../import/stated-operations.ts';
import { PickleObject, PickleTuple, type PickleValue } from './pickle-values.ts';

/** Functions of PyTorch's layers; of any other layer the class is named in a message. */
const kinds: Readonly<Record<string, string>> = {
  Conv2d: 'conv2d',
  BatchNorm1d: 'batch_norm',
  BatchNorm2d: 'batch_norm',
  SyncBatchNorm: 'batch_norm',
  ReLU: 'relu',
  MaxPool2d: 'max_pool2d',
  AvgPool2d: 'avg_pool2d',
  AdaptiveAvgPool2d: 'adaptive_avg_pool2d',
  AdaptiveMaxPool2d: 'adaptive_max_pool2d',
  LocalResponseNorm: 'lrn',
  Linear: 'linear',
  Flatten: 'flatten',
  Identity: 'identity',
  Softmax: 'softmax',
  LogSoftmax: 'log_softmax',
};
/** Modules that compute nothing in inference. */
const idle = /^(container|dropout|loss)\./;

/** @returns undefined if the value holds no modules */
export function operationsOfModules(value: PickleValue): StatedOperations | undefined {
  const list: Operation[] = [];
  let modules = 0;
  const seen = new Set<PickleValue>();
  const visit = (item: PickleValue, path: readonly string[]): void => {
    if (seen.has(item)) return;
    if (item instanceof Map) {
      seen.add(item);
      for (const [key, child] of item) if (typeof key === 'string') visit(child, [...path, key]);
    }
    if (!(item instanceof PickleObject)) return;
    seen.add(item);
    const state = item.state instanceof Map ? item.state : undefined;
    const children = state?.get('_modules');
    if (!state || !isDictionary(children)) return;
    modules++;
    const layer = /^torch\.nn\.modules\.(\w+\.(\w+))$/.exec(item.name);
    if (layer && !idle.test(layer[1]!)) {
      const kind = Object.hasOwn(kinds, layer[2]!) ? kinds[layer[2]!]! : layer[2]!;
      list.push({ kind, name: path.join('.'), settings: settingsOf(state) });
    }
    for (const [key, child] of entriesOf(children)) visit(child, [...path, String(key)]);
  };
  visit(value, []);
  return modules > 0 ? { list, areAll: false } : undefined;
}

function isDictionary(value: PickleValue): value is Map<PickleValue, PickleValue> | PickleObject {
  return value instanceof Map || value instanceof PickleObject;
}

function entriesOf(value: Map<PickleValue, PickleValue> | PickleObject): Map<PickleValue, PickleValue> {
  return value instanceof Map ? value : value.entries;
}

function settingsOf(state: Map<PickleValue, PickleValue>): Record<string, Setting> {
  const settings: Record<string, Setting> = {};
  for (const [key, value] of state) {
    if (typeof key !== 'string') continue;
    const items = value instanceof PickleTuple ? value.items : value;
    if (Array.isArray(items) && items.every((item) => typeof item === 'number')) settings[key] = items;
    else if (typeof items === 'number' || typeof items === 'boolean' || typeof items === 'string')
      settings[key] = items;
  }
  return settings;
}
