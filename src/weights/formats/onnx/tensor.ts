/** ONNX's TensorProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
import { basename, dirname, join, normalize } from 'node:path';
import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementCount, formatShape } from '../../../core/shape.ts';
import type { Range, WireField, WireReader } from '../../containers/protobuf/wire.ts';
import { damaged, unreadable } from '../../import/errors.ts';
import { streamSegments } from '../../import/segments.ts';
import { elementBytes, isReadable, type ReadableType } from '../../tensors/element-types.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

/** TensorProto.DataType */
const types: Readonly<Record<number, string>> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  4: 'U16',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  12: 'U32',
  13: 'U64',
  16: 'BF16',
};

const MAX_EXTERNAL_FILES = 64;

/** Files of external data, opened when they are first needed. */
export class ExternalFiles {
  readonly #modelPath: string;
  readonly #declared = new Set<string>();
  readonly #open = new Map<string, Promise<RandomAccessFile>>();

  constructor(modelPath: string) {
    this.#modelPath = modelPath;
  }

  /**
   * @throws UserError unless the location is the plain name of a file beside the model: anything else could
   * read what the model's maker has no business with.
   */
  open(location: string): Promise<RandomAccessFile> {
    const path = normalize(location);
    if (path !== basename(path) || path === '..' || path === '.' || path === '') {
      throw damaged(
        this.#modelPath,
        'ONNX',
        `its weights would be in ${JSON.stringify(location)}, and they must be in a file beside it`,
      );
    }
    let file = this.#open.get(path);
    if (!file) {
      file = RandomAccessFile.open(join(dirname(this.#modelPath), path));
      this.#open.set(path, file);
    }
    return file;
  }

  /** Remembers a file that a tensor is in. @throws UserError as `open` does, or when there are too many. */
  declare(location: string): void {
    this.#declared.add(location);
    if (this.#declared.size > MAX_EXTERNAL_FILES) {
      throw damaged(this.#modelPath, 'ONNX', `its weights would be in more than ${MAX_EXTERNAL_FILES} files`);
    }
  }

  /** Bytes of all files declared. @throws UserError as `open` does. */
  async totalSize(): Promise<number> {
    let total = 0;
    for (const location of this.#declared) total += (await this.open(location)).size;
    return total;
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) {
      await file.then(
        (opened) => opened.close(),
        () => {},
      );
    }
  }
}

interface External {
  location: string;
  offset: number;
  length: number | undefined;
}

/** What a TensorProto says, its values still on the disk. */
interface Described {
  name: string;
  type: string;
  shape: number[];
  /** Places of the values: raw, or packed numbers of the type's own width. */
  segments: Range[];
  external: External | undefined;
  /** A field that holds values in a form which is not read. */
  odd: number | undefined;
}

/** Reads a TensorProto without its values. @throws UserError when it is malformed. */
export async function readTensorProto(
  wire: WireReader,
  range: Range,
  files: ExternalFiles,
  fallbackName = '',
): Promise<SourceTensor> {
  const described = await describeTensor(wire, range);
  if (described.external) files.declare(described.external.location);
  const { type, shape, external } = described;
  const name = described.name || fallbackName;
  const path = wire.file.path;
  return {
    name,
    type,
    shape,
    async read(visit) {
      if (!isReadable(type)) throw unreadable(path, name, type);
      if (described.odd !== undefined) {
        throw damaged(
          path,
          'ONNX',
          `tensor ${name} holds its values in field ${described.odd}, which is not read`,
        );
      }
      const source = external ? await files.open(external.location) : wire.file;
      const segments = external ? [externalRange(external, shape, type)] : described.segments;
      checkLength(path, name, shape, type, segments, source);
      await streamSegments(source, segments, type, visit);
    },
  };
}

function externalRange({ offset, length }: External, shape: readonly number[], type: ReadableType): Range {
  return { start: offset, end: offset + (length ?? elementCount(shape) * elementBytes(type)!) };
}

function checkLength(
  path: string,
  name: string,
  shape: readonly number[],
  type: ReadableType,
  segments: readonly Range[],
  source: RandomAccessFile,
): void {
  const size = elementBytes(type)!;
  const needed = elementCount(shape) * size;
  const there = segments.reduce((sum, { start, end }) => sum + end - start, 0);
  const whole = segments.every(({ start, end }) => (end - start) % size === 0);
  if (there !== needed || !whole) {
    throw damaged(
      path,
      'ONNX',
      `tensor ${name} has ${there} bytes, but ${formatShape(shape)} of ${type} takes ${needed}`,
    );
  }
  const end = segments.at(-1)?.end ?? 0;
  if (end > source.size) {
    throw damaged(
      path,
      'ONNX',
      `tensor ${name} ends at byte ${end} of ${source.path}, which has ${source.size}`,
    );
  }
}

async function describeTensor(wire: WireReader, range: Range): Promise<Described> {
  const tensor: Described = {
    name: '',
    type: 'a type that is not stated',
    shape: [],
    segments: [],
    external: undefined,
    odd: undefined,
  };
  for (const field of await wire.fields(range)) await addField(wire, tensor, field);
  if (!tensor.shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw wire.broken(`tensor ${tensor.name} has the impossible shape ${formatShape(tensor.shape)}`);
  }
  return tensor;
}

/** Numbers of TensorProto's fields. */
const DIMS = 1;
const DATA_TYPE = 2;
const FLOAT_DATA = 4;
const INT32_DATA = 5;
const NAME = 8;
const RAW_DATA = 9;
const DOUBLE_DATA = 10;
const EXTERNAL_DATA = 13;

async function addField(wire: WireReader, tensor: Described, field: WireField): Promise<void> {
  switch (field.number) {
    case DIMS:
      tensor.shape.push(...(await wire.integers(field)));
      break;
    case DATA_TYPE:
      tensor.type = types[field.value] ?? `data type ${field.value}`;
      break;
    case NAME:
      tensor.name = await wire.text(field);
      break;
    case RAW_DATA:
    case FLOAT_DATA:
    case DOUBLE_DATA:
      tensor.segments.push(field);
      break;
    case INT32_DATA:
      tensor.odd = field.number;
      break;
    case EXTERNAL_DATA:
      await addExternal(wire, tensor, field);
      break;
    default:
  }
}

/** StringStringEntryProto: `location`, `offset`, `length`. */
async function addExternal(wire: WireReader, tensor: Described, range: Range): Promise<void> {
  const { key, value } = await readEntry(wire, range);
  tensor.external ??= { location: '', offset: 0, length: undefined };
  if (key === 'location') tensor.external.location = value;
  if (key !== 'offset' && key !== 'length') return;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw wire.broken(`tensor ${tensor.name} has the ${key} ${value}`);
  tensor.external[key] = number;
}

export async function readEntry(wire: WireReader, range: Range): Promise<{ key: string; value: string }> {
  const entry = { key: '', value: '' };
  for (const field of await wire.fields(range)) {
    if (field.number === 1) entry.key = await wire.text(field);
    if (field.number === 2) entry.value = await wire.text(field);
  }
  return entry;
}
