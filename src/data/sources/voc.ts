/**
 * PASCAL VOC's classification data: folders JPEGImages and ImageSets/Main, whose files `<class>_<set>.txt` list for each
 * image 1 (it has the class), −1 (it has not) or 0 (only difficult objects of it, which do not count).
 * http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html
 */
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { kindOf, readBytes } from '../../core/files.ts';
import { FileList } from './file-list.ts';
import { fileSource } from './folders/file-source.ts';
import { disk } from './folders/file-tree.ts';
import type { ImageSource } from './image-source.ts';

/** Images that may have several classes. */
export interface MultiLabelImages {
  /** With the label −1 for each image. */
  readonly source: ImageSource;
  /** `[N × K]`: 1, −1, or 0 where it does not count. */
  readonly targets: Int8Array;
}

export type VocSet = 'train' | 'val' | 'trainval' | 'test';

const LISTED = /^(.+)_(train|val|trainval|test)\.txt$/;

/** The folder of VOC's data at a location, or in its subfolders `VOCdevkit/VOC2007`, …; undefined if there is none. */
export async function findVoc(location: string): Promise<string | undefined> {
  for (const folder of ['', 'VOC2012', 'VOC2007', 'VOCdevkit/VOC2012', 'VOCdevkit/VOC2007']) {
    const path = join(location, folder);
    if ((await kindOf(join(path, 'ImageSets', 'Main'))) === 'folder') return path;
  }
  return undefined;
}

/** The sets that a VOC folder has lists of. */
export async function vocSets(folder: string): Promise<ReadonlySet<VocSet>> {
  const { files } = await disk.listFolder(join(folder, 'ImageSets', 'Main'));
  return new Set(files.flatMap((name) => (LISTED.exec(name)?.[2] as VocSet | undefined) ?? []));
}

/** @throws UserError naming a list, and the line that is wrong. */
export async function openVoc(folder: string, set: VocSet): Promise<MultiLabelImages> {
  const main = join(folder, 'ImageSets', 'Main');
  const { files } = await disk.listFolder(main);
  const classes = files.flatMap((name) => {
    const [, label, of] = LISTED.exec(name) ?? [];
    return label !== undefined && of === set ? [label] : [];
  });
  if (classes.length === 0) throw new UserError(`${main} has no lists of the set ${set}; choose another one`);
  const lists = await Promise.all(classes.map((name) => readList(join(main, `${name}_${set}.txt`))));
  const ids = [...lists[0]!.keys()];
  const targets = new Int8Array(ids.length * classes.length);
  for (const [k, list] of lists.entries()) {
    if (list.size !== ids.length) {
      throw new UserError(
        `${main}: ${classes[k]}_${set}.txt lists ${list.size} images, ${classes[0]}_${set}.txt ${ids.length}; unpack the data again`,
      );
    }
    for (const [n, id] of ids.entries()) {
      const target = list.get(id);
      if (target === undefined) {
        throw new UserError(`${main}: ${classes[k]}_${set}.txt lacks ${id}; unpack the data again`);
      }
      targets[n * classes.length + k] = target;
    }
  }
  const source = fileSource({
    location: folder,
    tree: disk,
    root: join(folder, 'JPEGImages'),
    classes,
    files: FileList.of(
      ids.map((id) => `${id}.jpg`),
      ids.map(() => -1),
    ),
  });
  return { source, targets };
}

async function readList(path: string): Promise<Map<string, number>> {
  const lines = (await readBytes(path)).toString('utf8').split(/\r?\n/);
  const entries = lines.flatMap((line, i): [string, number][] => {
    if (line.trim() === '') return [];
    const [id, target, ...more] = line.trim().split(/\s+/);
    if (id !== undefined && /^(?:1|-1|0)$/.test(target ?? '') && more.length === 0)
      return [[id, Number(target)]];
    throw new UserError(`${path}: line ${i + 1} is "${line}"; write an image's name and 1, -1 or 0`);
  });
  return new Map(entries);
}
