/** The values of the unpickler: containers, scalars, the parts of tensors, and objects of which nothing is run. */

/** A name that a pickle uses, such as `collections.OrderedDict`. It is never looked up in Python. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * An object of a class that is not known here. It holds what the pickle gives to it: nothing was called to make it.
 */
export class PickleObject {
  /** The name of its class or of the function that would make it. */
  readonly name: string;
  /** Its items, if it is a kind of dictionary. */
  readonly entries = new Map<PickleValue, PickleValue>();
  /** Its items, if it is a kind of list or set. */
  readonly items: PickleValue[] = [];
  /** Its attributes, or whatever else its class would set it to. */
  state?: PickleValue;
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

/** `('storage', torch.FloatStorage, key, location, count)`: values stored elsewhere in the file. */
export class StorageReference {
  /** `F32`, `F16`, … or PyTorch's own name of an unsupported type. */
  readonly type: string;
  readonly key: string;
  /** Number of elements. */
  readonly count: number;
  constructor(type: string, key: string, count: number) {
    this.type = type;
    this.key = key;
    this.count = count;
  }
}

/** A tensor: a view of a storage. */
export class PickledTensor {
  readonly storage: StorageReference;
  /** Offset from the storage's start, in elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** Stride of each axis, in elements. */
  readonly strides: readonly number[];
  constructor(
    storage: StorageReference,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
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
  | PickleObject
  | PickleTuple
  | StorageReference
  | PickledTensor
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>;
