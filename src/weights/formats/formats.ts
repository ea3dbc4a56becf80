/** The formats of weight files: one table, and how a file's format is determined. */
import { extname } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { RandomAccessFile } from '../../core/random-access-file.ts';
import type { ExportedModel, WriteOptions } from '../export/exported-model.ts';
import type { ConventionName } from '../import/preprocessing.ts';
import { writeModel } from '../model/write-model.ts';
import { openCaffe } from './caffe/reader.ts';
import { writeCaffe } from './caffe/writer.ts';
import { openKeras } from './keras/reader.ts';
import { writeKeras } from './keras/writer.ts';
import { openOnnx } from './onnx/reader.ts';
import { writeOnnx } from './onnx/writer.ts';
import { openPytorch } from './pytorch/reader.ts';
import { writePytorch } from './pytorch/writer.ts';
import { openSafetensors } from './safetensors/reader.ts';
import { hasSignature, SIGNATURE_BYTES, type Signature } from './signatures.ts';
import type { WeightContent } from './weight-content.ts';

interface Format {
  /** Display name. */
  readonly title: string;
  /** Extensions of files that can be read, in lower case. */
  readonly extensions: readonly string[];
  /** Extensions of files that can also be written. */
  readonly written: readonly string[];
  readonly signatures: readonly Signature[];
  /** @throws UserError when the file breaks the format. */
  open(file: RandomAccessFile): Promise<WeightContent>;
  /** The usual preprocessing of networks in this format. */
  readonly convention: ConventionName;
  /**
   * Writes a file whole or not at all.
   * @returns the files written: Caffe describes the network in a second file
   * @throws UserError when a file cannot be written or the format cannot hold the network.
   */
  write(path: string, exported: ExportedModel, options: WriteOptions): Promise<readonly string[]>;
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
    extensions: ['.pth', '.pt', '.bin'],
    written: ['.pth', '.pt'],
    signatures: ['zip', 'pickle'],
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
    open: openKeras,
    convention: 'keras',
    write: writeKeras,
  },
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;

const entries = Object.entries(formats) as [FormatName, Format][];

/** Extensions of files that can be written: `.safetensors`, `.pth`, … */
export const writtenExtensions = entries.flatMap(([, { written }]) => written);

/** The format written to files with this extension, or undefined. */
export function formatToWrite(path: string): FormatName | undefined {
  const extension = extname(path).toLowerCase();
  return entries.find(([, { written }]) => written.includes(extension))?.[0];
}

/** An open weight file. */
export interface WeightFile extends WeightContent {
  readonly path: string;
  readonly format: FormatName;
  /** Total size in bytes, including external data. */
  readonly bytes: number;
  close(): Promise<void>;
}

/**
 * Opens a weight file of any format; close it after use.
 * @throws UserError when it is missing, of an unknown format, or breaks its format.
 */
export async function openWeights(path: string): Promise<WeightFile> {
  const file = await RandomAccessFile.open(path);
  try {
    const format = await formatOf(file);
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

/** Decides by the file's first bytes or, if they are ambiguous, by its extension. @throws UserError listing the extensions. */
async function formatOf(file: RandomAccessFile): Promise<FormatName> {
  const extension = extname(file.path).toLowerCase();
  if (file.size === 0) throw new UserError(`${file.path} is an empty file; copy or download it again`);
  const start = await file.read(0, Math.min(file.size, SIGNATURE_BYTES));
  const byContent = entries.filter(([, { signatures }]) =>
    signatures.some((name) => hasSignature(start, name)),
  );
  const byExtension = entries.filter(([, { extensions }]) => extensions.includes(extension));
  const both = byContent.filter((entry) => byExtension.includes(entry));
  const [found] = [...both, ...byContent, ...byExtension];
  if (found) return found[0];
  const known = entries.flatMap(([, { extensions }]) => extensions).join(', ');
  throw new UserError(
    `the format of ${file.path} is not recognized; if it is a weight file, give it its own extension: ${known}`,
  );
}
