/**
 * Finds the boxes of a data set's images where their annotations usually are: ILSVRC's XML files in Annotations (or
 * Annotation) near the images, and Tiny ImageNet's lists beside them.
 */
import { basename, dirname, extname, join } from 'node:path';
import { defaultConcurrency, mapConcurrently } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import { kindOf, listFolder, readBytes } from '../../core/files.ts';
import { foldersNear } from '../sources/ilsvrc/synsets.ts';
import type { ImageSource } from '../sources/image-source.ts';
import { parseAnnotation } from './annotation-xml.ts';
import { type BoxList, type ListedBox, readBoxCsv, readTinyBoxes } from './box-lists.ts';

/** Folders of annotations, below a folder near the images. */
const FOLDERS = ['Annotations/CLS-LOC', 'Annotations', 'Annotation', 'bbox'];

/**
 * The boxes of each image that show its class.
 * @param given a CSV file or a folder of XML files (default: they are found near the images)
 * @throws UserError for an annotation that cannot be read, and for one whose class is not the image's
 */
export async function readBoxes(source: ImageSource, given?: string): Promise<(readonly ListedBox[])[]> {
  const lookUp = given === undefined ? finder() : await openGiven(given);
  const numbers = Array.from({ length: source.length }, (_, i) => i);
  return mapConcurrently(numbers, 4 * defaultConcurrency, async (index) => {
    const image = source.imageName(index);
    const all = await lookUp(image);
    const label = source.label(index);
    const own = source.classes[label] ?? '';
    const names = [own, source.labels[label] ?? ''].map((name) => name.normalize('NFC'));
    const shown = all.filter(({ name }) => name === undefined || names.includes(name.normalize('NFC')));
    if (shown.length > 0 || all.length === 0) return shown;
    throw new UserError(
      `${all[0]!.place}: ${basename(image)} is of the class "${own}", but its boxes are of "${all[0]!.name}"; correct the annotation, or remove it`,
    );
  });
}

type LookUp = (image: string) => readonly ListedBox[] | Promise<readonly ListedBox[]>;

async function openGiven(path: string): Promise<LookUp> {
  const kind = await kindOf(path);
  if (kind === 'nothing') throw new UserError(`the boxes ${path} do not exist; check the path`);
  if (kind === 'file') return extname(path) === '.txt' ? readTinyBoxes(path) : readBoxCsv(path);
  const folders = [path, ...['train', 'val', 'test'].map((name) => join(path, name))];
  return (image) => firstXml(folders, image);
}

/** Looks near each image; what is near one folder is asked for only once. */
function finder(): LookUp {
  const places = new Map<string, Promise<LookUp>>();
  return async (image) => {
    const folder = dirname(image);
    const place = places.get(folder) ?? lookUpFor(folder);
    places.set(folder, place);
    return (await place)(image);
  };
}

async function lookUpFor(folder: string): Promise<LookUp> {
  const tiny = await tinyList(dirname(folder));
  if (tiny) return tiny;
  const found: string[] = [];
  for (const near of foldersNear(folder)) {
    for (const name of FOLDERS) {
      const path = join(near, name);
      if ((await kindOf(path)) !== 'folder') continue;
      found.push(path, ...['train', 'val', 'test'].map((split) => join(path, split)));
    }
  }
  return found.length === 0 ? () => [] : (image) => firstXml(found, image);
}

/** Of Tiny ImageNet: the images are in a folder `images` beside their list. */
async function tinyList(folder: string): Promise<BoxList | undefined> {
  for (const name of [`${basename(folder)}_boxes.txt`, 'val_annotations.txt']) {
    const path = join(folder, name);
    if ((await kindOf(path)) === 'file') return readTinyBoxes(path);
  }
  return undefined;
}

async function firstXml(folders: readonly string[], image: string): Promise<ListedBox[]> {
  const name = `${basename(image, extname(image))}.xml`;
  for (const folder of folders) {
    for (const path of [join(folder, basename(dirname(image)), name), join(folder, name)]) {
      if ((await kindOf(path)) !== 'file') continue;
      const text = (await readBytes(path)).toString('utf8');
      return parseAnnotation(text, path, 0).map(({ name, box }) => ({ name, box, place: path }));
    }
  }
  return [];
}

/** Whether a folder has annotations as VOC does. */
export async function hasAnnotations(folder: string): Promise<boolean> {
  if ((await kindOf(join(folder, 'Annotations'))) !== 'folder') return false;
  return (await listFolder(join(folder, 'Annotations'))).some((name) => name.endsWith('.xml'));
}
