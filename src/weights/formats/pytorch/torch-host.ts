/**
 * The names that a pickle of tensors may use, and what they construct. Every other Python name is rejected.
 */
import { PickleError, type PickleHost } from './pickle-reader.ts';
import {
  PickledTensor,
  PickleGlobal,
  PickleTuple,
  type PickleValue,
  StorageReference,
} from './pickle-values.ts';

/** Element types by storage class. `torch.UntypedStorage` is not supported: only its views give its bytes a type. */
const storageTypes: Readonly<Record<string, string>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

const calls: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>> = {
  'collections.OrderedDict': orderedDictionary,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': rebuildParameter,
  'torch._utils._rebuild_parameter_with_state': rebuildParameter,
  'torch.Size': ([items]) => items ?? new PickleTuple([]),
  'builtins.set': ([items]) => new Set(itemsOf(items)),
  '__builtin__.set': ([items]) => new Set(itemsOf(items)),
};

/** Names that are plain values: a tensor's dtype, a device. */
const inert =
  /^torch\.(float16|float32|float64|half|float|double|bfloat16|u?int(8|16|32|64)|long|bool|strided|contiguous_format|preserve_format|channels_last|device|serialization\._get_layout)$/;

/** @param onStorage receives every storage that the pickle refers to */
export function torchHost(onStorage: (storage: StorageReference) => void = () => {}): PickleHost {
  return { global: allowedGlobal, call: allowedCall, build: ignoreAttributes, persistent };

  function persistent(id: PickleValue): StorageReference {
    const storage = storageReference(id);
    onStorage(storage);
    return storage;
  }
}

function allowedGlobal(module: string, name: string): PickleGlobal {
  const full = `${module}.${name}`;
  if (Object.hasOwn(storageTypes, full) || Object.hasOwn(calls, full) || inert.test(full)) {
    return new PickleGlobal(full);
  }
  throw new PickleError(
    `uses ${JSON.stringify(full)}, but only tensors and containers can be constructed; save only the model's state_dict()`,
  );
}

function allowedCall(callable: PickleValue, args: readonly PickleValue[]): PickleValue {
  if (!(callable instanceof PickleGlobal)) throw new PickleError('calls a value that is not a function');
  const call = Object.hasOwn(calls, callable.name) ? calls[callable.name] : undefined;
  if (call) return call(args);
  // torch.device('cuda') and the like are not needed, and nothing is run.
  if (inert.test(callable.name)) return null;
  throw new PickleError(`calls ${callable.name}, which is not a function`);
}

/** An OrderedDict's attributes: a state_dict stores its modules' versions in `_metadata`. */
function ignoreAttributes(target: PickleValue, state: PickleValue): void {
  if (target instanceof Map && state instanceof Map) return;
  throw new PickleError('sets the state of a value that is not a dictionary');
}

/** `('storage', torch.FloatStorage, '0', 'cpu', 1728)`, with a view as one more item in the old format. */
function storageReference(id: PickleValue): StorageReference {
  if (!(id instanceof PickleTuple)) throw new PickleError('refers to a storage in an unknown way');
  const [kind, type, key, , count, view] = id.items;
  if (kind !== 'storage' || !(type instanceof PickleGlobal) || typeof key !== 'string' || !isCount(count)) {
    throw new PickleError(
      `refers to ${typeof kind === 'string' ? JSON.stringify(kind) : 'something'} instead of a storage`,
    );
  }
  if (view !== undefined && view !== null) throw new PickleError('has a storage that is a view of another');
  const element = Object.hasOwn(storageTypes, type.name) ? storageTypes[type.name]! : type.name;
  return new StorageReference(element, key, count);
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)` */
function rebuildTensor([storage, offset, size, stride]: readonly PickleValue[]): PickledTensor {
  if (!(storage instanceof StorageReference)) throw new PickleError('constructs a tensor without a storage');
  const shape = countsOf(size);
  const strides = countsOf(stride);
  if (!isCount(offset) || !shape || !strides || shape.length !== strides.length) {
    throw new PickleError('constructs a tensor whose offset, shape or strides are not whole numbers');
  }
  return new PickledTensor(storage, offset, shape, strides);
}

function rebuildParameter([tensor]: readonly PickleValue[]): PickledTensor {
  if (!(tensor instanceof PickledTensor))
    throw new PickleError('constructs a parameter from a value that is not a tensor');
  return tensor;
}

function orderedDictionary([items]: readonly PickleValue[]): Map<PickleValue, PickleValue> {
  if (items instanceof Map) return new Map(items);
  const pairs = itemsOf(items).map((pair): [PickleValue, PickleValue] => {
    const [key, value] = itemsOf(pair);
    return [key, value];
  });
  return new Map(pairs);
}

function itemsOf(value: PickleValue): readonly PickleValue[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof PickleTuple) return value.items;
  throw new PickleError('constructs a container from a value without items');
}

function countsOf(value: PickleValue): number[] | undefined {
  const items = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : undefined;
  return items?.every(isCount) ? (items as number[]) : undefined;
}

function isCount(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
