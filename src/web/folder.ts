/** A folder that a visitor picks: a folder of images for each class, as `vgg train` takes it. */
import { UserError } from '../core/errors.ts';
import { isImageName, SPLIT_FOLDERS } from '../data/sources/split-names.ts';

/** As much of a File of an `<input webkitdirectory>` as is asked here. */
export interface FolderFile {
  /** From the picked folder on: `photos/cat/1.jpg`. */
  readonly webkitRelativePath: string;
}

/** A file and the name of its class. */
export interface LabeledFile<F> {
  readonly file: F;
  readonly label: string;
}

export interface FolderImages<F> {
  /** The picked folder's own. */
  readonly name: string;
  /** Sorted. */
  readonly classes: readonly string[];
  /** By class and path. */
  readonly training: readonly LabeledFile<F>[];
  /** Undefined where the folder has none of its own. */
  readonly validation: readonly LabeledFile<F>[] | undefined;
}

/**
 * Finds the classes. Where folders are named train and val (or validation, test), classes are inside them.
 * @throws UserError unless there are images of two classes or more.
 */
export function imagesOfFolder<F extends FolderFile>(files: Iterable<F>): FolderImages<F> {
  const found = [...files].flatMap((file) => {
    const path = file.webkitRelativePath.split('/');
    return isImageName(path.at(-1)!) && !path.some((part) => part.startsWith('.')) ? [{ file, path }] : [];
  });
  const at = (depth: number, folder?: string): LabeledFile<F>[] =>
    found
      .filter(({ path }) => path.length > depth + 1 && (folder === undefined || path[1] === folder))
      .map(({ file, path }) => ({ file, label: path[depth]! }))
      .sort((a, b) => compare(a.label, b.label) || compare(pathOf(a), pathOf(b)));
  // A class may be called "train" too: a split's folder has folders inside, not just images.
  const part = (names: readonly string[]) => names.find((name) => at(2, name).length > 0);
  const train = part(SPLIT_FOLDERS.train);
  const val = train === undefined ? undefined : part(SPLIT_FOLDERS.val);
  const training = train === undefined ? at(1) : at(2, train);
  const classes = [...new Set(training.map(({ label }) => label))];
  const name = found[0]?.path[0] ?? 'the folder';
  if (classes.length < 2) {
    const what =
      classes.length === 0 ? 'no folders with JPEG, PNG or WebP images' : 'images of one class only';
    throw new UserError(
      `${name} has ${what}: choose a folder with a folder of images for each class, two or more`,
    );
  }
  const validation = val === undefined ? undefined : at(2, val);
  return { name, classes, training, validation };
}

function pathOf<F extends FolderFile>({ file }: LabeledFile<F>): string {
  return file.webkitRelativePath;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
