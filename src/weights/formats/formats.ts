/** The formats that weights are written in, and how a model is opened by name. */
import { basename, extname } from 'node:path';
import { kindOf } from '../../core/files.ts';
import { parseModelName } from '../download/model-name.ts';
import type { ExportedModel, WriteOptions } from '../export/exported-model.ts';
import type { ConventionName } from '../import/preprocessing.ts';
import { readHubFacts } from '../labels/hub-config.ts';
import { writeModel } from '../model/write-model.ts';
import { writeCaffe } from './caffe/writer.ts';
import { writeKeras } from './keras/writer.ts';
import { locateWeights } from './model-files.ts';
import { openNpyFolder } from './numpy/reader.ts';
import { writeOnnx } from './onnx/writer.ts';
import { writePytorch } from './pytorch/writer.ts';
import { type FormatName, openWeightFile, type WeightFile } from './readers.ts';
import { refuseLoneShard } from './sharded/shard-index.ts';

interface Written {
  /** Extensions of files that can be written. */
  readonly written: readonly string[];
  /** The usual preprocessing of networks in this format. */
  readonly convention: ConventionName;
  /**
   * Writes a file whole or not at all.
   * @returns the files written: Caffe describes the network in a second file
   * @throws UserError when a file cannot be written or the format cannot hold the network.
   */
  write(path: string, exported: ExportedModel, options: WriteOptions): Promise<readonly string[]>;
}

/** The other formats are only read. */
export const writers = {
  safetensors: {
    written: ['.safetensors'],
    convention: 'native',
    async write(path, { model }) {
      await writeModel(path, model);
      return [path];
    },
  },
  pytorch: { written: ['.pth', '.pt'], convention: 'torchvision', write: writePytorch },
  onnx: { written: ['.onnx'], convention: 'native', write: writeOnnx },
  caffe: { written: ['.caffemodel'], convention: 'caffe', write: writeCaffe },
  keras: { written: ['.h5'], convention: 'keras', write: writeKeras },
} as const satisfies { readonly [name in FormatName]?: Written };

const entries = Object.entries(writers) as [FormatName, Written][];

/** Extensions of files that can be written: `.safetensors`, `.pth`, … */
export const writtenExtensions = entries.flatMap(([, { written }]) => written);

/** A format that can be written. */
export type WritableFormat = Pick<Written, 'convention' | 'write'> & { readonly name: FormatName };

/** The format written to files with this extension, or undefined. */
export function formatToWrite(path: string): WritableFormat | undefined {
  const extension = extname(path).toLowerCase();
  for (const [name, { written, convention, write }] of entries) {
    if (written.includes(extension)) return { name, convention, write };
  }
  return undefined;
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
  const opened = await openWeightFile(path);
  return { ...(await readHubFacts(path)), ...opened, source };
}
