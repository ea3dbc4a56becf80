/** Reads ONNX's TensorProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
import { basename, dirname, join, normalize } from 'node:path';
import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementCount, formatShape } from '../../../core/shape.ts';
import type { MessageField, MessageReader } from '../../containers/protobuf/message-reader.ts';
import { damaged, unreadable } from '../../errors.ts';
import { elementBytes, isReadable, type ReadableType } from '../../tensors/element-types.ts';
import { type ByteRange, rangesFault, type SourceTensor, streamRanges } from '../../tensors/source-tensor.ts';

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
   * @throws UserError unless the location is the plain name of a file beside the model: anything else could read
   *   files that the model's author must not see.
   */
  open(location: string): Promise<RandomAccessFile> {
    const path = normalize(location);
    if (path !== basename(path) || path === '..' || path === '.' || path === '') {
      throw damaged(
        this.#modelPath,
        'ONNX',
        `its weights refer to ${JSON.stringify(location)}, but they must be in a file beside it`,
      );
    }
    let file = this.#open.get(path);
    if (!file) {
      file = RandomAccessFile.open(join(dirname(this.#modelPath), path));
      this.#open.set(path, file);
    }
    return file;
  }

  /** Records a file that holds a tensor. @throws UserError when there are too many. */
  declare(location: string): void {
    this.#declared.add(location);
    if (this.#declared.size > MAX_EXTERNAL_FILES) {
      throw damaged(this.#modelPath, 'ONNX', `its weights refer to more than ${MAX_EXTERNAL_FILES} files`);
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

/** A TensorProto whose values are still on the disk. */
interface Described {
  name: string;
  type: string;
  shape: number[];
  /** Of the values: raw, or packed numbers of the type's own width. */
  ranges: ByteRange[];
  external: External | undefined;
  /** The number of a field that holds values in a form that is not supported. */
  unsupported: number | undefined;
}

/** Reads a TensorProto without its values. @throws UserError when it is malformed. */
export async function readTensorProto(
  reader: MessageReader,
  range: ByteRange,
  files: ExternalFiles,
): Promise<SourceTensor> {
  const described = await describeTensor(reader, range);
  if (described.external) files.declare(described.external.location);
  const { name, type, shape, external } = described;
  const path = reader.file.path;
  return {
    name,
    type,
    shape,
    async read(visit) {
      if (!isReadable(type)) throw unreadable(path, name, type);
      if (described.unsupported !== undefined) {
        throw reader.broken(
          `tensor ${name} has its values in field ${described.unsupported}, which is not supported`,
        );
      }
      const source = external ? await files.open(external.location) : reader.file;
      const ranges = external ? [externalRange(external, shape, type)] : described.ranges;
      const fault = rangesFault(ranges, shape, type, source.size);
      if (fault) throw reader.broken(`tensor ${name}${external ? ` in ${external.location}` : ''} ${fault}`);
      await streamRanges(source, ranges, type, visit);
    },
  };
}

function externalRange(
  { offset, length }: External,
  shape: readonly number[],
  type: ReadableType,
): ByteRange {
  return { start: offset, end: offset + (length ?? elementCount(shape) * elementBytes(type)!) };
}

async function describeTensor(reader: MessageReader, range: ByteRange): Promise<Described> {
  const tensor: Described = {
    name: '',
    type: 'an unknown type',
    shape: [],
    ranges: [],
    external: undefined,
    unsupported: undefined,
  };
  for (const field of await reader.fields(range)) await addField(reader, tensor, field);
  if (!tensor.shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw reader.broken(`tensor ${tensor.name} has the impossible shape ${formatShape(tensor.shape)}`);
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

async function addField(reader: MessageReader, tensor: Described, field: MessageField): Promise<void> {
  switch (field.number) {
    case DIMS:
      tensor.shape.push(...(await reader.integers(field)));
      break;
    case DATA_TYPE:
      tensor.type = types[field.value] ?? `data type ${field.value}`;
      break;
    case NAME:
      tensor.name = await reader.text(field);
      break;
    case RAW_DATA:
    case FLOAT_DATA:
    case DOUBLE_DATA:
      tensor.ranges.push(field);
      break;
    case INT32_DATA:
      tensor.unsupported = field.number;
      break;
    case EXTERNAL_DATA:
      await addExternal(reader, tensor, field);
      break;
    default:
  }
}

/** StringStringEntryProto: `location`, `offset`, `length`. */
async function addExternal(reader: MessageReader, tensor: Described, range: ByteRange): Promise<void> {
  const { key, value } = await readEntry(reader, range);
  tensor.external ??= { location: '', offset: 0, length: undefined };
  if (key === 'location') tensor.external.location = value;
  if (key !== 'offset' && key !== 'length') return;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw reader.broken(`tensor ${tensor.name} has the ${key} ${value}`);
  tensor.external[key] = number;
}

export async function readEntry(
  reader: MessageReader,
  range: ByteRange,
): Promise<{ key: string; value: string }> {
  const entry = { key: '', value: '' };
  for (const field of await reader.fields(range)) {
    if (field.number === 1) entry.key = await reader.text(field);
    if (field.number === 2) entry.value = await reader.text(field);
  }
  return entry;
}
