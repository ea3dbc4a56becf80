/** Names the splits of a data set, and holds out validation images. Nothing here needs Node. */
import { UserError } from '../../core/errors.ts';
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';

export const splitNames = ['train', 'val', 'test'] as const;
/** A split of a data set: training, validation or test images. */
export type Split = (typeof splitNames)[number];

/** Names of a split's folder, the preferred one first. */
const FOLDERS: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training', 'ILSVRC2012_img_train'],
  val: ['val', 'validation', 'valid', 'ILSVRC2012_img_val'],
  test: ['test', 'testing', 'ILSVRC2012_img_test'],
};
/** What the name of a split's file contains. */
const FILES: Readonly<Record<Split, RegExp>> = { train: /train/i, val: /val/i, test: /test|t10k/i };

/** The split itself, then the one that replaces it if it is missing: validation and test replace each other. */
export function splitAndSubstitute(split: Split): readonly Split[] {
  return split === 'train' ? ['train'] : split === 'val' ? ['val', 'test'] : ['test', 'val'];
}

/** The folder with a split's images, and the split that it actually is. @param exists whether there is such a folder */
export function findSplitFolder(
  split: Split,
  exists: (folder: string) => boolean,
): { readonly folder: string; readonly split: Split } | undefined {
  for (const candidate of splitAndSubstitute(split)) {
    const folder = FOLDERS[candidate].find(exists);
    if (folder !== undefined) return { folder, split: candidate };
  }
  return undefined;
}

export function isSplitFolder(name: string): boolean {
  return splitNames.some((split) => FOLDERS[split].includes(name));
}

/** Whether a file name belongs to a split. */
export function isFileOfSplit(name: string, split: Split): boolean {
  return FILES[split].test(name);
}

/** The data set is divided into splits but does not have the requested one. */
export class MissingSplitError extends UserError {
  override name = 'MissingSplitError';
}

/** Numbers of images, ascending. */
interface Holdout {
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Chooses validation images from a data set that has none: at least one, determined by the seed.
 * @param share of all images, above 0 and below 1
 * @returns undefined if that would leave no image for training
 */
export function holdOut(images: number, share: number, seed: number): Holdout | undefined {
  const order = permutation(images, deriveKeys(keyOfSeed(seed), 'holdout'));
  const held = Math.max(1, Math.round(images * share));
  if (held >= images) return undefined;
  return { training: order.slice(held).sort(), validation: order.slice(0, held).sort() };
}
