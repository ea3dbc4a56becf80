/**
 * Reads the stream that `torch.save` wrote before PyTorch 1.6: pickles of a magic number, a version, the machine's
 * properties, the object, and the keys of its storages; then each storage, preceded by its element count.
 */
import { UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementBytes } from '../../tensors/element-types.ts';
import type { StoredValues } from '../../tensors/strided-tensor.ts';
import { damaged } from '../../weight-errors.ts';
import type { WeightContent } from '../weight-content.ts';
import { operationsOfModules } from './module-operations.ts';
import { PickleError, unpickle } from './pickle-reader.ts';
import type { PickleValue, StorageReference } from './pickle-values.ts';
import { sourceTensor, tensorsOf } from './pickled-tensors.ts';
import { torchHost } from './torch-host.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const COUNT_BYTES = 8;
/** Bytes per element of storages that hold no weights that can be read. */
const OTHER_BYTES: Readonly<Record<string, number>> = {
  ...{ 'torch.QInt8Storage': 1, 'torch.QUInt8Storage': 1, 'torch.QInt32Storage': 4 },
  ...{ 'torch.QUInt4x2Storage': 1, 'torch.QUInt2x4Storage': 1 },
  ...{ 'torch.ComplexFloatStorage': 8, 'torch.ComplexDoubleStorage': 16 },
  ...{ 'torch.UntypedStorage': 1, 'torch.storage.UntypedStorage': 1 },
};
/** Numbers of bytes to try for one pickle until it fits. */
const WINDOWS = [2 ** 16, 2 ** 20, 2 ** 24, 2 ** 26];

/** Reads the old format. @throws UserError when the file violates it or needs more than tensors. */
export async function openLegacy(file: RandomAccessFile): Promise<WeightContent> {
  const { path } = file;
  const pickles = new PickleStream(file);
  await checkPreamble(path, pickles);
  const value = await pickles.next();
  const tensors = tensorsOf(value);
  const keys = await pickles.next();
  if (!Array.isArray(keys)) throw damaged(path, 'PyTorch', 'the list of its storages is missing');
  const places = await placeStorages(file, keys, pickles.storages, pickles.position);
  return {
    description: 'PyTorch, stream of before 1.6',
    tensors: [...tensors].map(([name, tensor]) =>
      sourceTensor(path, name, tensor, async () => {
        const place = places.get(tensor.storage.key);
        if (!place) throw damaged(path, 'PyTorch', `the storage of tensor ${name} is missing`);
        return place;
      }),
    ),
    metadata: {},
    operations: operationsOfModules(value),
  };
}

/** Reads consecutive pickles. */
class PickleStream {
  position = 0;
  /** Storages that the pickles so far refer to, by key. */
  readonly storages = new Map<string, StorageReference>();
  readonly #file: RandomAccessFile;

  constructor(file: RandomAccessFile) {
    this.#file = file;
  }

  async next(): Promise<PickleValue> {
    const left = this.#file.size - this.position;
    const host = torchHost((storage) => this.storages.set(storage.key, storage));
    for (const window of WINDOWS) {
      const bytes = await this.#file.read(this.position, Math.min(window, left));
      try {
        const { value, end } = unpickle(bytes, host);
        this.position += end;
        return value;
      } catch (error) {
        if (!(error instanceof PickleError)) throw error;
        if (error.truncated && window < left && window !== WINDOWS.at(-1)) continue;
        throw new UserError(`${this.#file.path}: its pickle ${error.message}`, { cause: error });
      }
    }
    throw damaged(this.#file.path, 'PyTorch', 'a pickle in it does not end');
  }
}

async function checkPreamble(path: string, pickles: PickleStream): Promise<void> {
  if ((await pickles.next()) !== MAGIC) {
    throw new UserError(
      `${path} is a pickle that torch.save did not write; save tensors in Python with torch.save(state_dict, "model.pth"), or arrays with numpy.savez`,
    );
  }
  const version = await pickles.next();
  const system = await pickles.next();
  if (version !== 1001) throw damaged(path, 'PyTorch', `its version is ${String(version)} instead of 1001`);
  if (system instanceof Map && system.get('little_endian') === false) {
    throw new UserError(
      `${path} was written in big-endian order, which is not supported; save it again on a little-endian machine`,
    );
  }
}

/** Walks through the storages, each of which is preceded by its element count. */
async function placeStorages(
  file: RandomAccessFile,
  keys: readonly PickleValue[],
  storages: ReadonlyMap<string, StorageReference>,
  start: number,
): Promise<Map<string, StoredValues>> {
  const places = new Map<string, StoredValues>();
  let position = start;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    const size = storage && (elementBytes(storage.type) ?? OTHER_BYTES[storage.type]);
    if (!storage || size === undefined) {
      throw damaged(file.path, 'PyTorch', `storage ${String(key)} is not described`);
    }
    if (position + COUNT_BYTES > file.size)
      throw damaged(file.path, 'PyTorch', `storage ${storage.key} is missing`);
    const count = Number((await file.read(position, COUNT_BYTES)).readBigUInt64LE());
    const bytes = count * size;
    position += COUNT_BYTES;
    if (count !== storage.count || position + bytes > file.size) {
      throw damaged(
        file.path,
        'PyTorch',
        `storage ${storage.key} should have ${storage.count * size} bytes, but has ${Math.min(bytes, file.size - position)}`,
      );
    }
    places.set(storage.key, { source: file, position, bytes });
    position += bytes;
  }
  return places;
}
