/**
 * Files of named tensors in Hugging Face's safetensors format: the header's length (8 bytes,
 * little-endian), a JSON header, then the tensors' bytes one after the other.
 * https://huggingface.co/docs/safetensors/index#format
 */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { type RandomAccessFile, withFile } from '../../../core/random-access-file.ts';
import { readTensor } from '../../tensors/tensor-values.ts';
import { headerLength, LENGTH_BYTES, malformed, parseHeader, type SafetensorsHeader } from './header.ts';
import { type NamedTensor, safetensorsPieces, type TensorToWrite } from './pieces.ts';

export type { SafetensorsHeader, TensorEntry } from './header.ts';
export type { DeferredTensor, NamedTensor, TensorToWrite } from './pieces.ts';

export interface SafetensorsFile {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ReadOptions {
  /** Which tensors to read (default: all). The others cost neither time nor memory. */
  readonly select?: (name: string) => boolean;
  /**
   * Hears what will come, before anything is allocated for it; what it throws ends the reading.
   * @returns the array to read a tensor into, where it has the right size (default: a new one each)
   */
  readonly onHeader?: (header: SafetensorsHeader) => ((name: string) => Float32Array | undefined) | undefined;
  /** Called after every few megabytes. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * Reads a file's tensors as float32 (F16 and BF16 widened, F64 rounded) straight into their arrays.
 * @throws UserError naming the file, the tensor and the remedy when the file breaks the format, or a
 * selected tensor holds anything but floating-point numbers.
 */
export async function readSafetensors(path: string, options: ReadOptions = {}): Promise<SafetensorsFile> {
  const { select = () => true, onHeader, onProgress = () => {} } = options;
  return withFile(path, async (file) => {
    const { entries, metadata, dataOffset } = await readHeader(path, file);
    const placeOf = onHeader?.({ entries, metadata });
    const selected = entries.filter(({ name }) => select(name));
    const total = selected.reduce((sum, { start, end }) => sum + end - start, 0);
    let done = 0;
    const tensors = new Map<string, NamedTensor>();
    for (const entry of selected) {
      const from = dataOffset + entry.start;
      const fill = (at: number, target: Uint8Array) => file.readInto(from + at, target);
      const onRead = (bytes: number) => {
        done += bytes;
        onProgress(done, total);
      };
      const data = await readTensor(path, entry, fill, onRead, placeOf?.(entry.name));
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
  await writeFileAtomically(path, safetensorsPieces(path, tensors, metadata).pieces);
}

/** The header of an open file, and where its data start. @throws UserError when the file breaks the format. */
export async function readHeader(
  path: string,
  file: RandomAccessFile,
): Promise<SafetensorsHeader & { dataOffset: number }> {
  const { size } = file;
  if (size < LENGTH_BYTES) throw malformed(path, `${size} bytes are too few for one`);
  const length = headerLength(path, await file.read(0, LENGTH_BYTES));
  const dataOffset = LENGTH_BYTES + length;
  if (dataOffset > size) {
    throw malformed(path, `its header should take ${length} bytes, but only ${size - LENGTH_BYTES} follow`);
  }
  const bytes = await file.read(LENGTH_BYTES, length);
  return { ...parseHeader(path, bytes, size - dataOffset), dataOffset };
}
