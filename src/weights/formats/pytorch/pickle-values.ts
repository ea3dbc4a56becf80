/** What the restricted unpickler makes: containers, scalars, and the few things that tensors consist of. */

/** A name that a pickle asks for, such as `collections.OrderedDict`. It is a name only: nothing is called. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Python's tuple; lists are arrays. */
export class PickleTuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** `('storage', torch.FloatStorage, key, location, count)`: values that lie elsewhere in the file. */
export interface StorageReference {
  readonly kind: 'storage';
  /** `F32`, `F16`, … or PyTorch's own word. */
  readonly type: string;
  readonly key: string;
  /** Elements. */
  readonly count: number;
}

/** A tensor: a view of a storage. */
export interface PickledTensor {
  readonly kind: 'tensor';
  readonly storage: StorageReference;
  /** Elements from the storage's start. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** Elements from one index to the next, by axis. */
  readonly strides: readonly number[];
}

export type PickleValue =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleGlobal
  | PickleTuple
  | StorageReference
  | PickledTensor
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>;

export function isTensor(value: PickleValue): value is PickledTensor {
  return isPlain(value) && value.kind === 'tensor';
}

export function isStorage(value: PickleValue): value is StorageReference {
  return isPlain(value) && value.kind === 'storage';
}

function isPlain(value: PickleValue): value is StorageReference | PickledTensor {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Set) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof PickleGlobal) &&
    !(value instanceof PickleTuple)
  );
}
