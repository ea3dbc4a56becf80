/**
 * Files of named tensors in Hugging Face's safetensors format: the header's length (8 bytes,
 * little-endian), a JSON header, then the tensors' bytes one after the other.
 * https://huggingface.co/docs/safetensors/index#format
 */
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { elementCount, formatShape, type Shape } from '../core/shape.ts';
import { elementBytes, isReadable, readableTypes, widen } from './element-types.ts';
import { type RandomAccessFile, withFile } from './random-access-file.ts';
import {
  formatHeader,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  malformed,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.ts';

export type { SafetensorsHeader, TensorEntry } from './safetensors-header.ts';

export interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  /** Row-major. */
  readonly data: Float32Array;
}

/** A tensor whose values are fetched when their turn comes to be written, so that few are in memory at once. */
export interface DeferredTensor {
  readonly name: string;
  readonly shape: Shape;
  read(): Promise<Float32Array>;
}

export type TensorToWrite = NamedTensor | DeferredTensor;

export interface SafetensorsFile {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ReadOptions {
  /** Which tensors to read (default: all). The others cost neither time nor memory. */
  readonly select?: (name: string) => boolean;
  /** Called after every few megabytes. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/** Read at a time: enough for the disk's full speed, little beside the tensors. */
const CHUNK_BYTES = 8 * 2 ** 20;

/**
 * Reads a file's tensors as float32 (F16 and BF16 widened, F64 rounded) straight into their arrays.
 * @throws UserError naming the file, the tensor and the remedy when the file breaks the format, or a
 * selected tensor holds anything but floating-point numbers.
 */
export async function readSafetensors(path: string, options: ReadOptions = {}): Promise<SafetensorsFile> {
  const { select = () => true, onProgress = () => {} } = options;
  return withFile(path, async (file) => {
    const { entries, metadata, dataOffset } = await readHeader(path, file);
    const selected = entries.filter(({ name }) => select(name));
    const total = selected.reduce((sum, { start, end }) => sum + end - start, 0);
    let done = 0;
    const tensors = new Map<string, NamedTensor>();
    for (const entry of selected) {
      const data = await readTensor(path, file, dataOffset, entry, (bytes) => {
        done += bytes;
        onProgress(done, total);
      });
      tensors.set(entry.name, { name: entry.name, shape: entry.shape, data });
    }
    return { tensors, metadata };
  });
}

/**
 * Reads and checks what a file holds without reading its tensors.
 * @throws UserError as `readSafetensors` does.
 */
export function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, async (file) => {
    const { entries, metadata } = await readHeader(path, file);
    return { entries, metadata };
  });
}

/**
 * Writes tensors as F32, whole or not at all. Tensors and metadata are sorted by name, so that the same
 * content makes the same bytes.
 * @throws UserError when the file cannot be written.
 * @throws RangeError when two tensors have one name, or a shape and its data disagree.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => compare(a.name, b.name));
  checkTensors(sorted);
  const header = formatHeader(path, {
    entries: entriesOf(sorted),
    metadata: Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b))),
  });
  await writeFileAtomically(path, pieces(header, sorted));
}

async function* pieces(header: Uint8Array, tensors: readonly TensorToWrite[]): AsyncGenerator<Uint8Array> {
  yield header;
  for (const tensor of tensors) {
    if ('data' in tensor) yield bytesOf(tensor.data);
    else yield bytesOf(checkedLength(tensor, await tensor.read()));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function checkTensors(sorted: readonly TensorToWrite[]): void {
  for (const [index, tensor] of sorted.entries()) {
    const { name } = tensor;
    if (name === sorted[index - 1]?.name) throw new RangeError(`two tensors have the name ${name}`);
    if (name === '__metadata__') throw new RangeError('no tensor may have the name __metadata__');
    if ('data' in tensor) checkedLength(tensor, tensor.data);
  }
}

function checkedLength({ name, shape }: TensorToWrite, data: Float32Array): Float32Array {
  if (elementCount(shape) === data.length) return data;
  throw new RangeError(`${name} has ${data.length} values, but its shape is ${formatShape(shape)}`);
}

function entriesOf(tensors: readonly TensorToWrite[]): TensorEntry[] {
  let end = 0;
  return tensors.map(({ name, shape }) => {
    const start = end;
    end += Float32Array.BYTES_PER_ELEMENT * elementCount(shape);
    return { name, type: 'F32', shape, start, end };
  });
}

/** The bytes under float32 values. Node runs on little-endian machines, as the format is. */
function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The header of an open file, and where its data start. @throws UserError when the file breaks the format. */
export async function readHeader(
  path: string,
  file: RandomAccessFile,
): Promise<SafetensorsHeader & { dataOffset: number }> {
  const { size } = file;
  const prefix = await file.read(0, Math.min(size, LENGTH_BYTES));
  if (size < LENGTH_BYTES) throw malformed(path, `${size} bytes are too few for one`);
  checkForeign(path, prefix);
  const length = prefix.readBigUInt64LE();
  if (length > MAX_HEADER_BYTES) {
    throw malformed(
      path,
      `it would have a header of ${length} bytes, above the limit of ${MAX_HEADER_BYTES}`,
    );
  }
  const dataOffset = LENGTH_BYTES + Number(length);
  if (dataOffset > size) {
    throw malformed(path, `its header should take ${length} bytes, but only ${size - LENGTH_BYTES} follow`);
  }
  const bytes = await file.read(LENGTH_BYTES, Number(length));
  return { ...parseHeader(path, bytes, size - dataOffset), dataOffset };
}

/** First bytes of the formats that people are likely to confuse with this one. */
const foreignFormats: readonly (readonly [magic: string, name: string])[] = [
  ['PK\x03\x04', 'a zip archive (PyTorch writes its models so)'],
  ['\x89HDF', 'an HDF5 file (Keras writes its models so)'],
  ['\x1f\x8b', 'a gzip archive'],
];

function checkForeign(path: string, prefix: Buffer): void {
  const start = prefix.toString('latin1');
  const format = foreignFormats.find(([magic]) => start.startsWith(magic));
  if (!format) return;
  throw new UserError(
    `${path} is not a safetensors file but ${format[1]}; unpack it, or convert it with \`vgg convert\``,
  );
}

async function readTensor(
  path: string,
  file: RandomAccessFile,
  dataOffset: number,
  { name, type, shape, start, end }: TensorEntry,
  onRead: (bytes: number) => void,
): Promise<Float32Array> {
  if (!isReadable(type)) {
    throw new UserError(
      `${path}: tensor ${JSON.stringify(name)} holds ${type}, and only ${readableTypes.join(', ')} can be read; write it anew in one of those`,
    );
  }
  const data = new Float32Array(elementCount(shape));
  const size = elementBytes(type)!;
  // F32 needs no second place: its bytes go straight into the array.
  const scratch = type === 'F32' ? undefined : Buffer.alloc(Math.min(CHUNK_BYTES, end - start));
  for (let at = 0; at < end - start; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, end - start - at);
    const target = scratch?.subarray(0, length) ?? bytesOf(data).subarray(at, at + length);
    await file.readInto(dataOffset + start + at, target);
    if (scratch) widen(type, target, data, at / size);
    onRead(length);
  }
  return data;
}
