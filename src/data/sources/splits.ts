/** Names the splits of a data set. Nothing here needs Node. */
import { UserError } from '../../core/errors.ts';

export const splitNames = ['train', 'val', 'test'] as const;
/** A split of a data set: training, validation or test images. */
export type Split = (typeof splitNames)[number];

/** Images of a data set that were measured: a split, or the part of its training images that a model was not trained on. */
export const measuredSplitNames = [...splitNames, 'held-out'] as const;
export type MeasuredSplit = (typeof measuredSplitNames)[number];

const NAMES: Readonly<Record<Split, string>> = {
  train: 'train(?:ing)?(?:[ ._-]*val)?',
  val: 'val(?:id(?:at(?:ion|e))?)?|dev(?:el(?:opment)?)?|eval(?:uation)?',
  test: 'test(?:s|ing)?',
};
const CONTENT = '(?:data(?:set)?|images?|imgs?|photos?|pictures?)';
const GAP = '[ ._-]*';

/** Names of a split's folder: `Train`, `training_set`, `images-val`, `ILSVRC2012_img_test`, whatever their case. */
const FOLDERS = forSplits(
  (names) =>
    new RegExp(
      `^(?:(?:ILSVRC2012_)?${CONTENT}${GAP})?(?:${names})(?:${GAP}(?:set|split|${CONTENT}|\\d{1,4}))?$`,
      'i',
    ),
);
/** A split as one of the words of a name: `seg_train`, `02-test`, `flowers (val)`. */
const WORDS = forSplits(
  (names) => new RegExp(`(?<!\\p{L})(?:${names})(?:${GAP}(?:set|split|${CONTENT}))?(?!\\p{L})`, 'iu'),
);

function forSplits(pattern: (names: string) => RegExp): Readonly<Record<Split, RegExp>> {
  return { train: pattern(NAMES.train), val: pattern(NAMES.val), test: pattern(NAMES.test) };
}
/** What the name of a split's file contains. */
const FILES: Readonly<Record<Split, RegExp>> = { train: /train/i, val: /val/i, test: /test|t10k/i };

/** The split itself, then the one that replaces it if it is missing: validation and test replace each other. */
export function splitAndSubstitute(split: Split): readonly Split[] {
  return split === 'train' ? ['train'] : split === 'val' ? ['val', 'test'] : ['test', 'val'];
}

/**
 * The folder with a split's images, and the split that it actually is.
 * @param place name of the folder that holds `folders`
 * @throws UserError when several folders have a name of the same split
 */
export function findSplitFolder(
  split: Split,
  folders: readonly string[],
  place: string,
): { readonly folder: string; readonly split: Split } | undefined {
  const splits = splitsOfFolders(folders);
  for (const candidate of splitAndSubstitute(split)) {
    const found = [...splits].flatMap(([name, split]) => (split === candidate ? [name] : []));
    if (found.length > 1) {
      throw new UserError(
        `${place} has several folders of ${SPLIT_WORDS[candidate]} images (${found.join(', ')}); keep one, or if they are classes, move them into a folder called ${candidate}`,
      );
    }
    if (found[0] !== undefined) return { folder: found[0], split: candidate };
  }
  return undefined;
}

const SPLIT_WORDS: Readonly<Record<Split, string>> = { train: 'training', val: 'validation', test: 'test' };

/** The split that a folder's name means, in any case and usual spelling; undefined: none. */
export function splitOfFolder(name: string): Split | undefined {
  return splitNames.find((split) => FOLDERS[split].test(name));
}

/**
 * The folders among others that are splits: by their own names, or because two folders differ by a split's name only,
 * and perhaps in digits (`seg_train` and `seg_test`, `01_train` and `02_val`).
 */
export function splitsOfFolders(folders: readonly string[]): Map<string, Split> {
  const words = folders.flatMap((name) => {
    const word = splitOfFolder(name) === undefined ? wordOf(name) : undefined;
    return word === undefined ? [] : [{ name, ...word }];
  });
  const splits = new Map<string, Split>();
  for (const name of folders) {
    const own = words.find((word) => word.name === name);
    const isDivided = own && words.some(({ rest, split }) => rest === own.rest && split !== own.split);
    const split = splitOfFolder(name) ?? (isDivided ? own.split : undefined);
    if (split !== undefined) splits.set(name, split);
  }
  return splits;
}

/** The split that a word of a name means, and the letters of the other words. */
function wordOf(name: string): { readonly split: Split; readonly rest: string } | undefined {
  const words = name.replace(/(\p{Ll})(?=\p{Lu})/gu, '$1 ');
  const split = splitNames.find((split) => WORDS[split].test(words));
  return split && { split, rest: words.replace(WORDS[split], '').replace(/\P{L}/gu, '').toLowerCase() };
}

/**
 * Checks that folders are classes: not a division, an archive's folder or anything else with the classes inside.
 * @param place name of the folder that holds the classes
 * @param inside for each class the folders in it that hold images
 * @throws UserError that names the folders
 */
export function checkClassFolders(place: string, inside: ReadonlyMap<string, readonly string[]>): void {
  const splitsOf = (folders: readonly string[]) => folders.filter((folder) => splitOfFolder(folder));
  const divided = [...inside].find(
    ([, folders]) => new Set(folders.map(splitOfFolder)).size > 1 && splitsOf(folders).length > 1,
  );
  if (divided !== undefined) {
    const [name, folders] = divided;
    const [one, two] = splitsOf(folders);
    const everywhere = inside.size > 1 && [...inside.values()].every((others) => splitsOf(others).length > 0);
    throw new UserError(
      everywhere
        ? `${place}: each class is divided into splits (${name}/${one}, ${name}/${two}); put the split folders at the top: ${one}/${name}, ${two}/${name}`
        : `${place}/${name} is not a class but a divided data set (${one}, ${two}); give the path ${place}/${name}`,
    );
  }
  // Vehicles have a class "train".
  const split = [...inside.keys()].find((name) => splitOfFolder(name) && !/^train$/i.test(name));
  if (split !== undefined) {
    throw new UserError(
      `${place}: the folder ${split} is called like a split, but there are class folders beside it; move it elsewhere, or rename it if it is a class`,
    );
  }
  const [first = [], ...others] = inside.values();
  const shared = first.filter((folder) => others.every((folders) => folders.includes(folder)));
  if (shared.length < 2 || others.length === 0) return;
  const names = shared.length > 4 ? `${shared.slice(0, 4).join(', ')}, …` : shared.join(', ');
  const [outer] = inside.keys();
  throw new UserError(
    `all folders of ${place} hold the same folders (${names}), so it is unclear which are the classes; if ${place} is divided, call its folders train, val and test, otherwise give the path of the folder of the classes, such as ${place}/${outer}, or move the images of each class into one folder without these`,
  );
}

/** Whether a file name belongs to a split. */
export function isFileOfSplit(name: string, split: Split): boolean {
  return FILES[split].test(name);
}

/** The data set is divided into splits but does not have the requested one. */
export class MissingSplitError extends UserError {
  override name = 'MissingSplitError';
}
