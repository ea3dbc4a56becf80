/**
 * ILSVRC-2012 as people have it: unpacked from Kaggle (`ILSVRC/Data/CLS-LOC/{train,val,test}` with the
 * LOC_ files above), or from the original tar files with the development kit somewhere near.
 */
import { join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf } from '../../../core/files.ts';
import { FileListBuilder } from '../folders/file-list.ts';
import { FileSource } from '../folders/file-source.ts';
import { isImageName } from '../split-names.ts';
import { findValidationLabels } from './labels.ts';
import { labelsOfSynsets } from './synsets.ts';

const VALIDATION_IMAGE = /^ILSVRC2012_val_\d{8}\.jpe?g$/i;

/** The folder with train, val and test, when `location` is Kaggle's layout or a folder above that. */
export async function findKaggleFolder(location: string): Promise<string | undefined> {
  for (const below of ['ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC', 'CLS-LOC']) {
    const folder = join(location, below);
    if ((await kindOf(folder)) === 'folder') return folder;
  }
  return undefined;
}

/** Whether a folder's files are the flat validation images. */
export function isFlatValidation(files: readonly string[]): boolean {
  const image = files.find(isImageName);
  return image !== undefined && VALIDATION_IMAGE.test(image);
}

/**
 * The flat validation images with their labels.
 * @param location what the person named
 * @param folder the folder of the images
 * @param files the names of its files, sorted
 * @param trainingClasses synsets in label order; undefined where there are no training images: then all
 *   that the labels name, sorted
 * @throws UserError when there are no labels anywhere near, or not for every image
 */
export async function openFlatValidation(
  location: string,
  folder: string,
  files: readonly string[],
  trainingClasses: readonly string[] | undefined,
): Promise<FileSource> {
  const labels = await findValidationLabels(folder);
  const classes = trainingClasses ?? labels.synsets;
  const labelOf = new Map(classes.map((synset, label) => [synset, label]));
  const list = new FileListBuilder();
  for (const name of files.filter(isImageName)) {
    const synset = labels.synsetOf(name.replace(/\.[^.]*$/, ''));
    const label = labelOf.get(synset);
    if (label === undefined) {
      throw new UserError(
        `${labels.path}: ${name} is of class ${synset}, which the training images do not have; add that class's folder or remove the image`,
      );
    }
    list.add(name, label);
  }
  return new FileSource({
    location,
    split: 'val',
    root: folder,
    classes,
    labels: await labelsOfSynsets(folder, classes),
    files: list.build(),
  });
}
