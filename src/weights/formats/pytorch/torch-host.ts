/**
 * What the names in a pickle of tensors stand for: the parts of tensors and dictionaries. Any other name makes an inert
 * object that holds its attributes; nothing is looked up or called in Python.
 */
import { PickleError, type PickleHost } from './pickle-reader.ts';
import {
  PickledTensor,
  PickleGlobal,
  PickleObject,
  PickleTuple,
  type PickleValue,
  StorageReference,
} from './pickle-values.ts';

/** Element types by storage class. `torch.storage.UntypedStorage` has bytes; only its views give them a type. */
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

type Call = (args: readonly PickleValue[]) => PickleValue;

const calls: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': orderedDictionary,
  'collections.defaultdict': ([, items]) => orderedDictionary([items]),
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': rebuildParameter,
  'torch._utils._rebuild_parameter_with_state': rebuildParameter,
  // A subclass of Tensor or Parameter: (function, class, arguments, state)
  'torch._tensor._rebuild_from_type_v2': ([inner, , args]) => allowedCall(inner, itemsOf(args)),
  'torch.Size': ([items]) => items ?? new PickleTuple([]),
  'builtins.set': ([items]) => new Set(itemsOf(items)),
  '__builtin__.set': ([items]) => new Set(itemsOf(items)),
};

/**
 * Modules and functions that only an attack needs. They would not be run here either, but the file would run them in
 * Python, which its owner should know.
 */
const DANGEROUS = [
  /^(os|posix|nt|subprocess|sys|shutil|socket|pty|runpy|importlib|ctypes|webbrowser|pip)\./,
  /^(builtins|__builtin__)\.(eval|exec|execfile|compile|open|__import__|input|breakpoint|globals|setattr)$/,
  /\.__(builtins|class|globals|subclasses|import|dict|getattribute|bases|mro|code)__(\.|$)/,
];

/** @param onStorage receives every storage that the pickle refers to */
export function torchHost(onStorage: (storage: StorageReference) => void = () => {}): PickleHost {
  return { global: namedGlobal, call: allowedCall, build: setState, persistent };

  function persistent(id: PickleValue): PickleValue {
    // Old whole models store ('module', class, source file, source) once for each class.
    if (id instanceof PickleTuple && id.items[0] === 'module') return id.items[1];
    const storage = storageReference(id);
    onStorage(storage);
    return storage;
  }
}

function namedGlobal(module: string, name: string): PickleGlobal {
  const full = `${module}.${name}`;
  if (DANGEROUS.some((pattern) => pattern.test(full))) {
    throw new PickleError(
      `uses ${JSON.stringify(full)}, which no model needs: Python would run it, so do not load this file there; get the model's state_dict from its publisher`,
    );
  }
  return new PickleGlobal(full);
}

function allowedCall(callable: PickleValue, args: readonly PickleValue[]): PickleValue {
  // A method or another value of an unknown object.
  if (callable instanceof PickleObject) return new PickleObject(callable.name);
  if (!(callable instanceof PickleGlobal)) throw new PickleError('calls a value that is not a function');
  const call = Object.hasOwn(calls, callable.name) ? calls[callable.name] : undefined;
  return call ? call(args) : new PickleObject(callable.name);
}

/** An OrderedDict's attributes are not needed: a state_dict stores its modules' versions in `_metadata`. */
function setState(target: PickleValue, state: PickleValue): void {
  if (target instanceof PickleObject) target.state = state;
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

/** A tensor, or an inert object if it is of a kind that is not read, such as a sparse one. */
function rebuildParameter([tensor]: readonly PickleValue[]): PickleValue {
  if (!(tensor instanceof PickledTensor) && !(tensor instanceof PickleObject))
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
