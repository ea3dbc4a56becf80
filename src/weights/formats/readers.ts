/** The formats that weight files are read in: one table, and how a file is opened. */
import { RandomAccessFile } from '../../core/random-access-file.ts';
import { openCaffe } from './caffe/reader.ts';
import { determineFormat, type FormatMarks } from './determine-format.ts';
import { openKeras } from './keras/reader.ts';
import { openMatconvnet } from './matconvnet/reader.ts';
import { isNpyFolder, openNpz } from './numpy/reader.ts';
import { openOnnx } from './onnx/reader.ts';
import { isPytorchArchive, openPytorch } from './pytorch/reader.ts';
import { openSafetensors } from './safetensors/reader.ts';
import { openShards } from './sharded/reader.ts';
import { INDEX_EXTENSION } from './sharded/shard-index.ts';
import type { WeightContent } from './weight-content.ts';

interface Reader extends FormatMarks {
  /** Display name. */
  readonly title: string;
  /** @throws UserError when the file breaks the format. */
  open(file: RandomAccessFile): Promise<WeightContent>;
}

/** If formats share a signature, the first one wins unless the extension belongs to another. */
export const readers = {
  safetensors: {
    title: 'safetensors',
    extensions: ['.safetensors'],
    signatures: ['safetensors'],
    open: openSafetensors,
  },
  pytorch: {
    title: 'PyTorch',
    extensions: ['.pth', '.pt', '.bin', '.ckpt', '.pt2'],
    signatures: ['zip', 'pickle'],
    isArchive: isPytorchArchive,
    open: openPytorch,
  },
  onnx: { title: 'ONNX', extensions: ['.onnx'], signatures: [], open: openOnnx },
  caffe: { title: 'Caffe', extensions: ['.caffemodel'], signatures: [], open: openCaffe },
  keras: {
    title: 'Keras',
    extensions: ['.h5', '.hdf5', '.keras'],
    signatures: ['hdf5', 'zip'],
    isArchive: (names) => names.includes('model.weights.h5'),
    open: openKeras,
  },
  numpy: {
    title: 'NumPy',
    extensions: ['.npz'],
    signatures: [],
    isArchive: (names) => isNpyFolder(names),
    open: openNpz,
  },
  matconvnet: { title: 'MatConvNet', extensions: ['.mat'], signatures: ['mat'], open: openMatconvnet },
} as const satisfies Readonly<Record<string, Reader>>;

export type FormatName = keyof typeof readers;

const entries = Object.entries(readers) as [FormatName, Reader][];

/** An open weight file. */
export interface WeightFile extends WeightContent {
  /** Of the file or folder that was opened. */
  readonly path: string;
  /** The name of the model if it has one, else the file's. */
  readonly source: string;
  readonly format: FormatName;
  /** Total size in bytes, including external data and all shards. */
  readonly bytes: number;
  close(): Promise<void>;
}

/**
 * Opens a file of any format, or an index of shards; close it after use.
 * @throws UserError when it is missing, of an unknown format, or breaks its format.
 */
export async function openWeightFile(path: string): Promise<Omit<WeightFile, 'source'>> {
  if (path.endsWith(INDEX_EXTENSION)) return openShards(path, openWeightFile);
  const file = await RandomAccessFile.open(path);
  try {
    const format = await determineFormat(file, entries);
    const content = await readers[format].open(file);
    return {
      ...content,
      path,
      format,
      bytes: file.size + (content.externalBytes ?? 0),
      async close() {
        await content.close?.();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
