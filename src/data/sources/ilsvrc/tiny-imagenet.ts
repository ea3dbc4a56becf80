/**
 * The validation images of Tiny ImageNet (http://cs231n.stanford.edu/tiny-imagenet-200.zip): `val/images/*.JPEG`, with
 * labels in `val/val_annotations.txt`. Its training images (`train/<synset>/images/`) need nothing special.
 */
import { basename, join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { linesOf } from '../../../core/files.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import type { Listing } from '../folders/file-tree.ts';
import type { ImageSource, OpenRequest } from '../image-source.ts';
import { labeledBySynset } from './validation.ts';

const ANNOTATIONS = 'val_annotations.txt';

export function isTinyValidation({ files, folders }: Listing): boolean {
  return files.includes(ANNOTATIONS) && folders.includes('images');
}

/**
 * @param folder `val`
 * @param trainingClasses synsets in label order (default: those in the annotations, sorted)
 * @throws UserError when an image has no label or one that the training images do not have
 */
export async function openTinyValidation(
  request: OpenRequest,
  folder: string,
  trainingClasses?: readonly string[],
): Promise<ImageSource> {
  const { tree } = request;
  const path = join(folder, ANNOTATIONS);
  // `val_0.JPEG`, the synset and a bounding box, separated by tabs.
  const synsets = new Map(
    linesOf(await tree.readBytes(path)).map((line) => line.split('\t').slice(0, 2) as [string, string]),
  );
  const classes = trainingClasses ?? [...new Set(synsets.values())].sort();
  const images = (await tree.listFolder(join(folder, 'images'))).files.filter(isImageName);
  const synsetOf = (image: string): string => {
    const synset = synsets.get(basename(image));
    if (synset !== undefined) return synset;
    throw new UserError(`${path} has no line for ${image}; unpack the archive again or remove that image`);
  };
  const names = images.map((name) => `images/${name}`);
  return labeledBySynset({ request, folder, images: names, synsetOf, classes, path });
}
