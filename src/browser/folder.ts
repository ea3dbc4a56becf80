/** A folder that a visitor chooses: one subfolder of images per class, as for `vgg train`. */
import { byCodePoint } from '../core/class-names.ts';
import { UserError } from '../core/errors.ts';
import { isImageName } from '../data/pixels/image-formats.ts';
import { checkClassFolders, findSplitFolder, type Split, splitOfFolder } from '../data/sources/splits.ts';

/** A `File` of an `<input type="file" webkitdirectory>`. */
export interface FolderFile {
  /** Path that starts with the chosen folder: `photos/cat/1.jpg`. */
  readonly webkitRelativePath: string;
}

/** A file and the name of its class. */
export interface LabeledFile<F> {
  readonly file: F;
  readonly label: string;
}

export interface FolderImages<F> {
  /** Name of the chosen folder. */
  readonly name: string;
  /** Names of the classes, sorted. */
  readonly classes: readonly string[];
  /** Sorted by class and path. */
  readonly training: readonly LabeledFile<F>[];
  /** Sorted likewise; undefined if the folder is not divided into training and validation. */
  readonly validation: readonly LabeledFile<F>[] | undefined;
}

/**
 * Sorts the files of a folder into classes: JPEG, PNG, WebP and AVIF files by the name of their subfolder. If the subfolders
 * are named `train` and `val` (or `Training`, `valid`, `test_set` and the like), the classes are inside them. Hidden files are skipped.
 * @param files those of an `<input type="file" webkitdirectory>`
 * @throws UserError when the folder has fewer than two classes
 * @example
 * const { training, validation } = imagesOfFolder(input.files);
 * async function* images(files) {
 *   for (const { file, label } of files) yield { image: await createImageBitmap(file), label };
 * }
 * const { model } = await trainModel({ images: images(training), validation: validation && images(validation) });
 */
export function imagesOfFolder<F extends FolderFile>(files: Iterable<F>): FolderImages<F> {
  const found = [...files].flatMap((file) => {
    const path = file.webkitRelativePath.split('/');
    return isImageName(path.at(-1)!) && !path.some((part) => part.startsWith('.')) ? [{ file, path }] : [];
  });
  const at = (depth: number, folder?: string): LabeledFile<F>[] =>
    found
      .filter(({ path }) => path.length > depth + 1 && (folder === undefined || path[1] === folder))
      .map(({ file, path }) => ({ file, label: path[depth]!.normalize('NFC') }))
      .sort((a, b) => byCodePoint(a.label, b.label) || compare(pathOf(a), pathOf(b)));
  // A class may also be called "train", but a split's folder has subfolders, not just images.
  const name = found[0]?.path[0] ?? 'folder';
  const folders = [...new Set(found.filter(({ path }) => path.length > 3).map(({ path }) => path[1]!))];
  const folderOf = (split: Split) => findSplitFolder(split, folders, name)?.folder;
  const train = folderOf('train');
  const val = train === undefined ? undefined : folderOf('val');
  const training = train === undefined ? at(1) : at(2, train);
  const classes = [...new Set(training.map(({ label }) => label))];
  if (classes.every((label) => splitOfFolder(label) !== undefined) && classes.length > 0) {
    throw new UserError(
      `the folder "${name}" is divided (${classes.join(', ')}), but has no classes inside: choose a folder with one subfolder of images per class in each`,
    );
  }
  checkClassFolders(name, foldersInClasses(found, train));
  if (classes.length < 2) {
    const folder = found.length > 0 ? `the folder "${name}"` : 'the folder';
    const fault =
      classes.length === 0 ? 'no subfolders with JPEG, PNG or WebP images' : 'images of one class only';
    throw new UserError(
      `${folder} has ${fault}: choose a folder with one subfolder of images per class, at least two classes`,
    );
  }
  const validation = val === undefined ? undefined : at(2, val);
  return { name, classes, training, validation };
}

/** For each class the folders in it that hold images. @param split name of the folder that the classes are in */
function foldersInClasses(
  found: readonly { readonly path: readonly string[] }[],
  split: string | undefined,
): Map<string, string[]> {
  const depth = split === undefined ? 1 : 2;
  const inside = new Map<string, string[]>();
  for (const { path } of found) {
    if (path.length <= depth + 1 || (split !== undefined && path[1] !== split)) continue;
    const folders = inside.get(path[depth]!) ?? [];
    const folder = path[depth + 1]!;
    if (path.length > depth + 2 && !folders.includes(folder)) folders.push(folder);
    inside.set(path[depth]!, folders);
  }
  return inside;
}

function pathOf<F extends FolderFile>({ file }: LabeledFile<F>): string {
  return file.webkitRelativePath;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
