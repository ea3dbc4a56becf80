/**
 * PASCAL VOC's images for localization: each is of the class of its largest object that is not difficult, and has the boxes
 * of all objects of that class. Images with difficult objects only are left out.
 */
import { join } from 'node:path';
import { areaOf } from '../../core/boxes.ts';
import { defaultConcurrency, mapConcurrently } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import { kindOf, readBytes } from '../../core/files.ts';
import { FileList } from '../sources/file-list.ts';
import { fileSource } from '../sources/folders/file-source.ts';
import { disk } from '../sources/folders/file-tree.ts';
import type { ImageSource } from '../sources/image-source.ts';
import { MissingSplitError, type Split } from '../sources/splits.ts';
import { openVoc, vocSets } from '../sources/voc.ts';
import { parseAnnotation } from './annotation-xml.ts';
import type { ListedBox } from './box-lists.ts';

interface VocObjects {
  readonly source: ImageSource;
  /** Of each image. */
  readonly boxes: readonly (readonly ListedBox[])[];
  /** Number of images in the list, those that are left out included. */
  readonly listed: number;
}

/**
 * @throws UserError for an annotation that is missing or broken, or whose classes have no list; MissingSplitError
 */
export async function openVocObjects(folder: string, split: Split): Promise<VocObjects> {
  if (!(await vocSets(folder)).has(split)) throw new MissingSplitError(`${folder} has no ${split} split`);
  const listed = (await openVoc(folder, split)).source;
  const { classes } = listed;
  const numbers = Array.from({ length: listed.length }, (_, i) => i);
  const found = await mapConcurrently(numbers, 4 * defaultConcurrency, async (index) => {
    const image = listed.imageName(index);
    const stem = image.slice(image.lastIndexOf('/') + 1).replace(/\.jpg$/, '');
    const path = join(folder, 'Annotations', `${stem}.xml`);
    if ((await kindOf(path)) !== 'file') {
      throw new UserError(`${path} is missing, the annotation of ${image}; unpack the data again`);
    }
    const objects = parseAnnotation((await readBytes(path)).toString('utf8'), path, 1);
    const unknown = objects.find(({ name }) => !classes.includes(name));
    if (unknown) {
      throw new UserError(
        `${path} has an object of the class "${unknown.name}", for which ImageSets/Main has no list; correct the annotation`,
      );
    }
    const clear = objects.filter(({ isDifficult }) => !isDifficult);
    if (clear.length === 0) return undefined;
    const { name } = clear.reduce((most, one) => (areaOf(one.box) > areaOf(most.box) ? one : most));
    const boxes = clear.flatMap((one): ListedBox[] =>
      one.name === name ? [{ box: one.box, place: path }] : [],
    );
    return { file: `${stem}.jpg`, label: classes.indexOf(name), boxes };
  });
  const kept = found.filter((one) => one !== undefined);
  return {
    source: fileSource({
      location: folder,
      tree: disk,
      split,
      root: join(folder, 'JPEGImages'),
      classes,
      files: FileList.of(
        kept.map(({ file }) => file),
        kept.map(({ label }) => label),
      ),
    }),
    boxes: kept.map(({ boxes }) => boxes),
    listed: listed.length,
  };
}
