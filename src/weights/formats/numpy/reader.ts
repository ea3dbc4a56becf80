/** Reads NumPy archives (.npz) and folders of arrays (.npy). */
import { join } from 'node:path';
import { listFolder } from '../../../core/files.ts';
import { type RandomAccessFile, withFile } from '../../../core/random-access-file.ts';
import { ZipReader } from '../../containers/zip/zip-reader.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import type { WeightContent } from '../weight-content.ts';
import { numpyNetwork } from './network.ts';
import { HEADER_BYTES, npyTensor } from './npy.ts';

const EXTENSION = '.npy';

/** Reads an archive that `numpy.savez` or `savez_compressed` wrote. @throws UserError when it violates the format. */
export async function openNpz(file: RandomAccessFile): Promise<WeightContent> {
  const { path } = file;
  const zip = await ZipReader.open(file);
  const tensors: SourceTensor[] = [];
  for (const entry of zip.names.filter((name) => name.endsWith(EXTENSION))) {
    const { start, size } = await zip.readStart(entry, HEADER_BYTES);
    const open = () => zip.bytes(entry);
    tensors.push(npyTensor(path, entry.slice(0, -EXTENSION.length), start, size, open));
  }
  return content(path, 'NumPy archive', tensors);
}

/** Whether a folder holds arrays, and so may be a model. */
export function isNpyFolder(names: readonly string[]): boolean {
  return names.some((name) => name.endsWith(EXTENSION));
}

/** Reads a folder with one .npy file for each tensor. @throws UserError when an array violates the format. */
export async function openNpyFolder(path: string): Promise<WeightContent & { bytes: number }> {
  const tensors: SourceTensor[] = [];
  let bytes = 0;
  for (const name of (await listFolder(path)).filter((each) => each.endsWith(EXTENSION))) {
    const place = join(path, name);
    await withFile(place, async (file) => {
      const start = await file.read(0, Math.min(HEADER_BYTES, file.size));
      bytes += file.size;
      tensors.push(npyTensor(path, name.slice(0, -EXTENSION.length), start, file.size, () => oneRead(place)));
    });
  }
  return { ...content(path, 'folder of NumPy arrays', tensors), bytes };
}

/** A file that is opened for each part that is read, so that no handle stays open. */
async function oneRead(path: string) {
  return {
    readInto: (position: number, target: Uint8Array) =>
      withFile(path, (file) => file.readInto(position, target)),
  };
}

function content(path: string, description: string, tensors: readonly SourceTensor[]): WeightContent {
  return { description, tensors, metadata: {}, network: numpyNetwork(path, tensors) };
}
