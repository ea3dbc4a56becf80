/** What names of files and folders say. */
import type { Split } from './source.ts';

/** Whether a file's name says that it is an image of a kind that decode.ts reads. */
export function isImageName(name: string): boolean {
  return /\.(?:jpe?g|png|webp)$/i.test(name);
}

const VALIDATION = ['val', 'validation', 'valid', 'ILSVRC2012_img_val'];
export const TEST_FOLDERS: readonly string[] = ['test', 'testing', 'ILSVRC2012_img_test'];
/** The folder names that a split may have, the preferred first. */
export const SPLIT_FOLDERS: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training', 'ILSVRC2012_img_train'],
  val: [...VALIDATION, ...TEST_FOLDERS],
  test: [...TEST_FOLDERS, ...VALIDATION],
};
