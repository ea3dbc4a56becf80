/**
 * Recognizes the usual layouts of ILSVRC-2012: unpacked from Kaggle (`ILSVRC/Data/CLS-LOC/{train,val,test}` with the LOC_
 * files above it), or from the original tar files with the development kit nearby.
 */
import { join } from 'node:path';
import { numbersByName } from '../../../core/class-names.ts';
import { UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { FileList } from '../file-list.ts';
import { fileSource } from '../folders/file-source.ts';
import type { FileTree } from '../folders/file-tree.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { findValidationLabels } from './labels.ts';
import { labelsOfSynsets } from './synsets.ts';

const VALIDATION_IMAGE = /^ILSVRC2012_val_\d{8}\.jpe?g$/i;

/** The folder with train, val and test, when `location` is Kaggle's layout or a folder above it. */
export async function findKaggleFolder(tree: FileTree, location: string): Promise<string | undefined> {
  for (const below of ['ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC', 'CLS-LOC']) {
    const folder = join(location, below);
    if ((await tree.kindOf(folder)) === 'folder') return folder;
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
 * @param folder the folder of the images
 * @param files the names of its files, sorted
 * @param trainingClasses synsets in label order; undefined if there are no training images: the classes are then all
 *   synsets among the labels, sorted
 * @throws UserError when there are no labels nearby, or not for every image
 */
export async function openFlatValidation(
  request: OpenRequest,
  folder: string,
  files: readonly string[],
  trainingClasses: readonly string[] | undefined,
): Promise<ImageSource> {
  const truth = await findValidationLabels(request.tree, folder);
  const classes = trainingClasses ?? truth.synsets;
  const synsetOf = (name: string): string => truth.synsetOf(name.replace(/\.[^.]*$/, ''));
  const images = files.filter(isImageName);
  return labeledBySynset({ request, folder, images, synsetOf, classes, path: truth.path });
}

interface LabeledBySynset {
  readonly request: OpenRequest;
  /** The folder that the names in `images` start from. */
  readonly folder: string;
  readonly images: readonly string[];
  readonly synsetOf: (image: string) => string;
  /** Synsets in label order. */
  readonly classes: readonly string[];
  /** The file with the labels. */
  readonly path: string;
}

/** Validation images in one folder with labels from a file. @throws UserError for a label that is not among the classes */
export async function labeledBySynset(options: LabeledBySynset): Promise<ImageSource> {
  const { request, folder, images, synsetOf, classes, path } = options;
  const { location, tree } = request;
  const labelOf = numbersByName(classes);
  const labels = images.map((image) => {
    const synset = synsetOf(image);
    const label = labelOf.get(synset);
    if (label !== undefined) return label;
    throw new UserError(
      `${path}: ${image} is of class ${synset}, which the training images do not have; add the folder of that class or remove the image`,
    );
  });
  return fileSource({
    location,
    tree,
    split: 'val',
    root: folder,
    classes,
    labels: await labelsOfSynsets(tree, folder, classes),
    files: FileList.of(images, labels),
  });
}
