/** Reads ONNX's TensorProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
import { basename, dirname, join, normalize } from 'node:path';
import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementCount, formatShape } from '../../../core/shape.ts';
import type { MessageReader } from '../../containers/protobuf/message-reader.ts';
import { elementBytes, isInteger, isReadable } from '../../tensors/element-types.ts';
import { type ByteRange, rangesFault, type SourceTensor, streamRanges } from '../../tensors/source-tensor.ts';
import { damaged, unreadable } from '../../weight-errors.ts';

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
   * @throws UserError unless the location is the plain name of a file in the model's folder: anything else could read
   *   files that the model must not access.
   */
  open(location: string): Promise<RandomAccessFile> {
    const path = normalize(location);
    if (path !== basename(path) || path === '..' || path === '.' || path === '') {
      throw damaged(
        this.#modelPath,
        'ONNX',
        `its weights refer to ${JSON.stringify(location)}, but they must be in a file in the same folder`,
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

/** TensorProto's field numbers. */
const DIMS = 1;
const DATA_TYPE = 2;
const FLOAT_DATA = 4;
const INT32_DATA = 5;
const INT64_DATA = 7;
const NAME = 8;
const RAW_DATA = 9;
const DOUBLE_DATA = 10;
const EXTERNAL_DATA = 13;

/** Reads a TensorProto without its values. @throws UserError when it is malformed. */
export async function readTensorProto(
  reader: MessageReader,
  range: ByteRange,
  files: ExternalFiles,
): Promise<SourceTensor> {
  const tensor = await reader.message(range);
  const name = await tensor.text(NAME);
  const shape = await tensor.ints(DIMS);
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw reader.broken(`tensor ${name} has the impossible shape ${formatShape(shape)}`);
  }
  const dataType = (await tensor.int(DATA_TYPE)) ?? 0;
  const type = types[dataType] ?? `data type ${dataType}`;
  const external = externalOf(reader, name, await readEntries(reader, tensor.bytes(EXTERNAL_DATA)));
  if (external) files.declare(external.location);
  return {
    name,
    type,
    shape,
    async read(visit) {
      if (!isReadable(type) && !isInteger(type)) throw unreadable(reader.file.path, name, type);
      const listed = isInteger(type) ? await tensor.ints(INT32_DATA, INT64_DATA) : [];
      if (listed.length > 0) {
        if (listed.length !== elementCount(shape)) {
          throw reader.broken(
            `tensor ${name} has ${listed.length} values, but its shape is ${formatShape(shape)}`,
          );
        }
        visit(Float32Array.from(listed), 0);
        return;
      }
      if (tensor.bytes(INT32_DATA).length > 0) {
        throw reader.broken(`tensor ${name} has its values in field ${INT32_DATA}, which is not supported`);
      }
      const source = external ? await files.open(external.location) : reader.file;
      const needed = elementCount(shape) * elementBytes(type)!;
      const ranges = external
        ? [{ start: external.offset, end: external.offset + (external.length ?? needed) }]
        : tensor.floats(RAW_DATA, FLOAT_DATA, DOUBLE_DATA);
      const fault = rangesFault(ranges, shape, type, source.size);
      if (fault) throw reader.broken(`tensor ${name}${external ? ` in ${external.location}` : ''} ${fault}`);
      await streamRanges(source, ranges, type, visit);
    },
  };
}

/** Where a tensor's values are in another file; undefined if they are in the model's own file. */
function externalOf(reader: MessageReader, name: string, entries: ReadonlyMap<string, string>) {
  if (entries.size === 0) return undefined;
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw reader.broken(`tensor ${name} has the ${key} ${text}`);
  };
  return { location: entries.get('location') ?? '', offset: number('offset') ?? 0, length: number('length') };
}

/** StringStringEntryProto's keys and values. */
export async function readEntries(
  reader: MessageReader,
  ranges: readonly ByteRange[],
): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  for (const range of ranges) {
    const entry = await reader.message(range);
    entries.set(await entry.text(1), await entry.text(2));
  }
  return entries;
}
