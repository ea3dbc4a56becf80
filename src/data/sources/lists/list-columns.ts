/** Determines which columns of a list hold the images, the labels and the splits. */
import { UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { type Split, splitOfFolder } from '../splits.ts';

/** A list as written: fields of text. */
export interface ListTable {
  /** Undefined if the first line is already an image. */
  readonly header?: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** `[rows]`: the line of each row, from 1. */
  readonly lines: readonly number[];
}

/** Columns by number, from 0. */
export interface ListColumns {
  readonly image: number;
  /** Undefined if the images have no labels. */
  readonly label?: number;
  readonly split?: number;
  /** Columns such as `is_valid`, and the split of the rows in which they are true. */
  readonly splitFlags?: readonly SplitFlag[];
  /** Columns of 0 and 1, one for each class; then there is no column of labels. */
  readonly classes?: readonly number[];
}

export interface SplitFlag {
  readonly column: number;
  readonly split: Split;
}

/** Columns that the user chose, by name or by number from 1. */
export interface ChosenColumns {
  readonly image?: string;
  readonly label?: string;
}

/** Names of columns, in lower case without spaces and punctuation. Earlier groups are preferred. */
const IMAGE_NAMES = [
  /^(?:(?:image|img)?(?:file(?:name|path)?|path)|image|img|picture|photo|relativepath)$/,
  /^(?:(?:image|img|photo|picture|sample)?(?:id|name)|imagefileid)$/,
];
const LABEL_NAMES = [
  /^(?:(?:class|label|category|target)(?:name)?|labels|cls|y)$/,
  /^(?:class|label|category|target)(?:id|index|idx|number)$/,
  /^(?:breed|species|disease|diagnosis|dx)$/,
];
const SPLIT_NAMES = [/^(?:split|subset)$/];
/** Names that may mean something else: columns of splits only if all values are splits. */
const OTHER_SPLIT_NAMES = [/^(?:data)?set(?:name|type)?$/, /^(?:partition|phase|usage)$/];
/** fastai's `is_valid` and the like. */
const SPLIT_FLAG = /^is(val(?:id(?:ation)?)?|test(?:ing)?|train(?:ing)?)(?:image|set)?$/;

function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** Whether a column's name is a usual one for labels. */
export function isLabelName(name: string): boolean {
  return LABEL_NAMES.some((names) => names.test(plain(name)));
}

/** Whether a field of the first line is the usual name of a column. */
export function isColumnName(field: string): boolean {
  return [...IMAGE_NAMES, ...LABEL_NAMES, ...SPLIT_NAMES].some((names) => names.test(plain(field)));
}

/**
 * Chooses columns by their names, otherwise by what they hold: the only one with names of images, and the only other one.
 * @throws UserError naming the columns when the choice is not clear
 */
export function chooseColumns(table: ListTable, path: string, chosen: ChosenColumns = {}): ListColumns {
  const { header, rows } = table;
  const count = header?.length ?? rows[0]!.length;
  const all = Array.from({ length: count }, (_, column) => column);
  const holdsImages = (column: number) => rows.slice(0, 20).some((row) => isImageName(row[column] ?? ''));
  const named = (groups: readonly RegExp[]): number[] => {
    const found = groups.map((names) => all.filter((column) => names.test(plain(header?.[column] ?? ''))));
    return found.find((columns) => columns.length > 0) ?? [];
  };
  const split = named(SPLIT_NAMES)[0] ?? named(OTHER_SPLIT_NAMES).find((column) => areSplits(rows, column));
  const splitFlags = split === undefined ? flagsOf(header ?? []) : [];
  const labels = named(LABEL_NAMES);
  const rest = all.filter((column) => column !== split && !splitFlags.some((flag) => flag.column === column));

  const image =
    columnOf(chosen.image, table, path) ??
    onlyOf(named(IMAGE_NAMES)) ??
    onlyOf(rest.filter(holdsImages)) ??
    onlyOf(rest.length === 2 && labels.length === 1 ? rest.filter((column) => column !== labels[0]) : rest) ??
    (header === undefined && count === 2 ? 0 : undefined);
  if (image === undefined) throw unclear(table, path, 'names the images');
  const others = rest.filter((column) => column !== image);
  const label =
    columnOf(chosen.label, table, path) ??
    onlyOf(
      withoutSynonyms(
        rows,
        labels.filter((column) => column !== image),
      ),
    ) ??
    (labels.length > 1 ? undefined : onlyOf(others));
  const areFlags = (row: readonly string[]) =>
    others.every((column) => /^[01](?:\.0*)?$/.test(row[column]!)) && flagged(row, others).length === 1;
  if (label === undefined && header && others.length > 1 && rows.slice(0, 20).every(areFlags)) {
    return { image, split, splitFlags, classes: others };
  }
  // Captions and measurements are not classes.
  const isNamed = label !== undefined && (chosen.label !== undefined || labels.includes(label));
  if (label !== undefined && !isNamed && rows.length >= (header ? 10 : 50)) {
    const distinct = new Set(rows.map((row) => row[label])).size;
    if (distinct > rows.length / 2) throw unclear(table, path, 'has the labels');
  }
  if (label === undefined && others.length > 0) throw unclear(table, path, 'has the labels');
  return { image, label, split, splitFlags };
}

/** Of columns that say the same, such as `label` (0) and `label_name` (cat), the one with names. */
function withoutSynonyms(rows: ListTable['rows'], columns: readonly number[]): readonly number[] {
  const [first, ...others] = columns;
  if (first === undefined || !others.every((other) => areSynonyms(rows, first, other))) return columns;
  const named = columns.find((column) => rows.some((row) => /\D/.test(row[column] ?? '')));
  return [named ?? first];
}

function areSynonyms(rows: ListTable['rows'], one: number, other: number): boolean {
  const pairs = new Set(rows.map((row) => JSON.stringify([row[one], row[other]])));
  const distinct = (column: number) => new Set(rows.map((row) => row[column])).size;
  return distinct(one) === pairs.size && distinct(other) === pairs.size;
}

function areSplits(rows: ListTable['rows'], column: number): boolean {
  return rows.every((row) => splitOfFolder(row[column] ?? '') !== undefined);
}

function flagsOf(header: readonly string[]): SplitFlag[] {
  return header.flatMap((name, column) => {
    const split = splitOfFolder(SPLIT_FLAG.exec(plain(name))?.[1] ?? '');
    return split === undefined ? [] : [{ column, split }];
  });
}

/** The columns with a 1. */
export function flagged(row: readonly string[], columns: readonly number[]): number[] {
  return columns.filter((column) => Number(row[column]) === 1);
}

function onlyOf(columns: readonly number[]): number | undefined {
  return columns.length === 1 ? columns[0] : undefined;
}

function columnOf(chosen: string | undefined, { header, rows }: ListTable, path: string): number | undefined {
  if (chosen === undefined) return undefined;
  const byName = header?.indexOf(chosen) ?? -1;
  const column = byName >= 0 ? byName : /^[1-9]\d*$/.test(chosen) ? Number(chosen) - 1 : -1;
  const count = header?.length ?? rows[0]!.length;
  if (column >= 0 && column < count) return column;
  throw new UserError(`${path} has no column ${chosen}; ${describe(header, count)}`);
}

function unclear({ header, rows }: ListTable, path: string, what: string): UserError {
  const count = header?.length ?? rows[0]!.length;
  return new UserError(
    `${path}: it is unclear which column ${what} (${describe(header, count)}); choose with --columns IMAGE,LABEL, by name or number`,
  );
}

function describe(header: readonly string[] | undefined, count: number): string {
  if (header !== undefined) return `its columns are ${header.map((name) => `"${name}"`).join(', ')}`;
  return `it has ${count} columns without names`;
}
