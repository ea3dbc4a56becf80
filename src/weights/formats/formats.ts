/** The formats of weight files: one table, and how a model is opened by name. */
import { basename, extname } from 'node:path';
import { kindOf } from '../../core/files.ts';
import { RandomAccessFile } from '../../core/random-access-file.ts';
import { parseModelName } from '../download/model-name.ts';
import type { ExportedModel, WriteOptions } from '../export/exported-model.ts';
import type { ConventionName } from '../import/preprocessing.ts';
import { readHubFacts } from '../labels/hub-config.ts';
import { writeModel } from '../model/write-model.ts';
import { openCaffe } from './caffe/reader.ts';
import { writeCaffe } from './caffe/writer.ts';
import { determineFormat, type FormatMarks } from './determine-format.ts';
import { openKeras } from './keras/reader.ts';
import { writeKeras } from './keras/writer.ts';
import { openMatconvnet } from './matconvnet/reader.ts';
import { locateWeights } from './model-files.ts';
import { isNpyFolder, openNpyFolder, openNpz } from './numpy/reader.ts';
import { openOnnx } from './onnx/reader.ts';
import { writeOnnx } from './onnx/writer.ts';
import { isPytorchArchive, openPytorch } from './pytorch/reader.ts';
import { writePytorch } from './pytorch/writer.ts';
import { openSafetensors } from './safetensors/reader.ts';
import { openShards } from './sharded/reader.ts';
import { INDEX_EXTENSION, refuseLoneShard } from './sharded/shard-index.ts';
import type { WeightContent } from './weight-content.ts';

interface Format extends FormatMarks {
  /** Display name. */
  readonly title: string;
  /** Extensions of files that can also be written: none for formats that are only read. */
  readonly written: readonly string[];
  /** @throws UserError when the file breaks the format. */
  open(file: RandomAccessFile): Promise<WeightContent>;
  /** The usual preprocessing of networks in this format; `write` and this are absent if it is only read. */
  readonly convention?: ConventionName;
  /**
   * Writes a file whole or not at all.
   * @returns the files written: Caffe describes the network in a second file
   * @throws UserError when a file cannot be written or the format cannot hold the network.
   */
  write?(path: string, exported: ExportedModel, options: WriteOptions): Promise<readonly string[]>;
}

/** If formats share a signature, the first one wins unless the extension belongs to another. */
export const formats = {
  safetensors: {
    title: 'safetensors',
    extensions: ['.safetensors'],
    written: ['.safetensors'],
    signatures: ['safetensors'],
    open: openSafetensors,
    convention: 'native',
    async write(path, { model }) {
      await writeModel(path, model);
      return [path];
    },
  },
  pytorch: {
    title: 'PyTorch',
    extensions: ['.pth', '.pt', '.bin', '.ckpt', '.pt2'],
    written: ['.pth', '.pt'],
    signatures: ['zip', 'pickle'],
    isArchive: isPytorchArchive,
    open: openPytorch,
    convention: 'torchvision',
    write: writePytorch,
  },
  onnx: {
    title: 'ONNX',
    extensions: ['.onnx'],
    written: ['.onnx'],
    signatures: [],
    open: openOnnx,
    convention: 'native',
    write: writeOnnx,
  },
  caffe: {
    title: 'Caffe',
    extensions: ['.caffemodel'],
    written: ['.caffemodel'],
    signatures: [],
    open: openCaffe,
    convention: 'caffe',
    write: writeCaffe,
  },
  keras: {
    title: 'Keras',
    extensions: ['.h5', '.hdf5', '.keras'],
    written: ['.h5'],
    signatures: ['hdf5', 'zip'],
    isArchive: (names) => names.includes('model.weights.h5'),
    open: openKeras,
    convention: 'keras',
    write: writeKeras,
  },
  numpy: {
    title: 'NumPy',
    extensions: ['.npz'],
    written: [],
    signatures: [],
    isArchive: (names) => isNpyFolder(names),
    open: openNpz,
  },
  matconvnet: {
    title: 'MatConvNet',
    extensions: ['.mat'],
    written: [],
    signatures: ['mat'],
    open: openMatconvnet,
  },
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;

const entries = Object.entries(formats) as [FormatName, Format][];

/** Extensions of files that can be written: `.safetensors`, `.pth`, … */
export const writtenExtensions = entries.flatMap(([, { written }]) => written);

/** A format that can be written. */
export type WritableFormat = Required<Pick<Format, 'convention' | 'write'>> & { readonly name: FormatName };

/** The format written to files with this extension, or undefined. */
export function formatToWrite(path: string): WritableFormat | undefined {
  const extension = extname(path).toLowerCase();
  for (const [name, { written, convention, write }] of entries) {
    if (convention && write && written.includes(extension)) return { name, convention, write };
  }
  return undefined;
}

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
 * Opens the weights of a model; close them after use.
 * @param name a file of any format, a folder with such a file, or what `localModel` downloads
 * @throws UserError when it is missing, of an unknown format, or breaks its format.
 */
export async function openWeights(name: string): Promise<WeightFile> {
  const path = await locateWeights(name);
  const source = parseModelName(name) ? name : basename(path);
  if ((await kindOf(path)) === 'folder') {
    const content = await openNpyFolder(path);
    return { ...content, path, source, format: 'numpy', close: async () => {} };
  }
  refuseLoneShard(path);
  const opened = await openFile(path);
  return { ...(await readHubFacts(path)), ...opened, source };
}

async function openFile(path: string): Promise<Omit<WeightFile, 'source'>> {
  if (path.endsWith(INDEX_EXTENSION)) return openShards(path, openFile);
  const file = await RandomAccessFile.open(path);
  try {
    const format = await determineFormat(file, entries);
    const content = await formats[format].open(file);
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
