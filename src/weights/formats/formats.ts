/** Opens a weight file of any format, by what is in it. */
import { extname } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { withFile } from '../../core/random-access-file.ts';
import { openCaffe } from './caffe/reader.ts';
import { openKeras } from './keras/reader.ts';
import { openOnnx } from './onnx/reader.ts';
import { openPytorch } from './pytorch/reader.ts';
import { openSafetensors } from './safetensors/reader.ts';
import type { FormatName, WeightFile } from './weight-file.ts';

type Opener = (path: string) => Promise<WeightFile>;

const openers: Readonly<Partial<Record<FormatName, Opener>>> = {
  safetensors: openSafetensors,
  pytorch: openPytorch,
  onnx: openOnnx,
  caffe: openCaffe,
  keras: openKeras,
};

/** The extensions that people give each format. */
export const extensions: Readonly<Record<string, FormatName>> = {
  '.safetensors': 'safetensors',
  '.pth': 'pytorch',
  '.pt': 'pytorch',
  '.bin': 'pytorch',
  '.onnx': 'onnx',
  '.caffemodel': 'caffe',
  '.h5': 'keras',
  '.hdf5': 'keras',
  '.keras': 'keras',
};

/**
 * Opens a file for reading its tensors; close it when done.
 * @throws UserError when it is missing, of no format that is read, or breaks its format.
 */
export async function openWeights(path: string): Promise<WeightFile> {
  const format = await formatOf(path);
  const open = openers[format];
  if (!open) throw new UserError(`${path}: files of ${format} cannot be read yet`);
  return open(path);
}

/**
 * The format of a file: by its first bytes where they are telling, else by its extension.
 * @throws UserError naming the formats that are read.
 */
export async function formatOf(path: string): Promise<FormatName> {
  const extension = extname(path).toLowerCase();
  const start = await withFile(path, (file) => file.read(0, Math.min(file.size, 16)));
  const text = start.toString('latin1');
  if (start.length === 0) throw new UserError(`${path} is an empty file; copy or download it again`);
  if (text.startsWith('\x89HDF\r\n\x1a\n')) return 'keras';
  if (text.startsWith('PK\x03\x04')) return extension === '.keras' ? 'keras' : 'pytorch';
  // A pickle of protocol 2 or newer.
  const pickled = start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5;
  if (pickled && extension !== '.safetensors') return 'pytorch';
  const format = extensions[extension];
  if (format) return format;
  // A safetensors header's length, then its JSON.
  if (text[8] === '{') return 'safetensors';
  throw new UserError(
    `${path} is of no format that is read here; name it by what it is: ${Object.keys(extensions).join(', ')}`,
  );
}
