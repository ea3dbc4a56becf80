/** Reads safetensors files from the disk. */
import { type RandomAccessFile, withFile } from '../../../core/random-access-file.ts';
import { elementCount } from '../../../core/shape.ts';
import { isReadable } from '../../tensors/element-types.ts';
import { type SourceTensor, streamElements } from '../../tensors/source-tensor.ts';
import { unreadable } from '../../weight-errors.ts';
import type { WeightContent } from '../weight-content.ts';
import { headerLength, LENGTH_BYTES, malformed, parseHeader, type SafetensorsHeader } from './header.ts';
import type { NamedTensor } from './writer.ts';

export interface SafetensorsFile {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface ReadOptions {
  /** Which tensors to read (default: all). The others cost neither time nor memory. */
  readonly select?: (name: string) => boolean;
  /**
   * Called with the header before anything is allocated. An error that it throws stops the reading.
   * @returns the array to read a tensor into, used if it has the right size (default: a new array for each)
   */
  readonly onHeader?: (header: SafetensorsHeader) => ((name: string) => Float32Array | undefined) | undefined;
  /** Called after every megabyte. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * Reads a file's tensors as float32 (F16 and BF16 widened, F64 rounded).
 * @throws UserError naming the file, the tensor and the remedy when the file breaks the format, or a selected tensor
 *   holds anything but floating-point numbers.
 */
export async function readSafetensors(path: string, options: ReadOptions = {}): Promise<SafetensorsFile> {
  const { select = () => true, onHeader, onProgress = () => {} } = options;
  return withFile(path, async (file) => {
    const { header, tensors } = await openTensors(file);
    const placeOf = onHeader?.(header);
    const selected = tensors.filter(({ name }) => select(name));
    const total = selected.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const read = new Map<string, NamedTensor>();
    for (const { name, shape, bytes, read: readValues } of selected) {
      const count = elementCount(shape);
      const place = placeOf?.(name);
      const data = place?.length === count ? place : new Float32Array(count);
      await readValues((values, offset) => {
        data.set(values, offset);
        done += (bytes / count) * values.length;
        onProgress(done, total);
      });
      read.set(name, { name, shape, data });
    }
    return { tensors: read, metadata: header.metadata };
  });
}

/** Reads a file with any tensor names. @throws UserError when it violates the format. */
export async function openSafetensors(file: RandomAccessFile): Promise<WeightContent> {
  const { header, tensors } = await openTensors(file);
  return { description: 'safetensors', tensors, metadata: header.metadata };
}

async function openTensors(file: RandomAccessFile) {
  const { path, size } = file;
  if (size < LENGTH_BYTES) throw malformed(path, `it has ${size} bytes, fewer than the smallest one`);
  const length = headerLength(path, await file.read(0, LENGTH_BYTES));
  const dataOffset = LENGTH_BYTES + length;
  if (dataOffset > size) {
    throw malformed(path, `its header should take ${length} bytes, but only ${size - LENGTH_BYTES} follow`);
  }
  const header = parseHeader(path, await file.read(LENGTH_BYTES, length), size - dataOffset);
  const tensors = header.entries.map(
    ({ name, type, shape, start, end }) =>
      ({
        name,
        type,
        shape,
        bytes: end - start,
        async read(visit) {
          if (!isReadable(type)) throw unreadable(path, JSON.stringify(name), type);
          await streamElements(file, dataOffset + start, elementCount(shape), type, visit);
        },
      }) satisfies SourceTensor & { bytes: number },
  );
  return { header, tensors };
}
