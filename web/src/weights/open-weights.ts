/** Opens weight files in this page. Nothing is sent: the readers of the command line read the dropped files themselves. */
import type { OpenWeightFile } from '../../../src/browser/weight-file.ts';
import { setFiles } from './node/fs.ts';

/** File names that hold weights, or belong to such a file. */
const WEIGHTS = /\.(safetensors|pth|pt|bin|ckpt|pt2|onnx|caffemodel|h5|hdf5|keras|npz|npy|mat|index\.json)$/i;

/** Whether a dropped file is meant as weights, not as an image. */
export function isWeightFile({ name, type }: File): boolean {
  return WEIGHTS.test(name) && !type.startsWith('image/');
}

/** The size of a file, for messages. */
export function totalBytes(files: readonly File[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** @throws UserError naming the file when it is damaged or of an unknown format */
export async function openWeights(files: readonly File[]): Promise<OpenWeightFile> {
  const { Buffer } = await import('buffer/');
  Object.assign(globalThis, { Buffer });
  // By default zod compiles its checks with eval, which the page's Content-Security-Policy forbids.
  const { config } = await import('zod/v4/core');
  config({ jitless: true });
  setFiles(new Map(files.map((file) => [file.name, file])));
  const { describeWeights } = await import('../../../src/browser/weight-file.ts');
  return describeWeights(files.map(({ name }) => name));
}
