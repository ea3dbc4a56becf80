/** Boxes in text files: Tiny ImageNet's lists, and CSV files with any image names. */
import { basename } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { Box } from '../../core/boxes.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { readBytes } from '../../core/files.ts';
import { checkBox } from './box-in-image.ts';

export interface ListedBox {
  readonly box: Box;
  /** The class, if the list has one. */
  readonly name?: string;
  /** File and line, for messages. */
  readonly place: string;
}

/** The boxes of an image by its path. */
export type BoxList = (image: string) => readonly ListedBox[];

/**
 * Tiny ImageNet's `<synset>_boxes.txt` (image, four corners) and `val_annotations.txt` (image, synset, four corners),
 * separated by tabs. Corners are pixel numbers from 0, the last ones included.
 * @throws UserError naming a line that is not one
 */
export async function readTinyBoxes(path: string): Promise<BoxList> {
  const lines = (await readBytes(path)).toString('utf8').split(/\r?\n/);
  const boxes = new Map<string, ListedBox[]>();
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const place = `${path}: line ${index + 1}`;
    const fields = line.trim().split(/\s+/);
    if (fields.length !== 5 && fields.length !== 6) {
      throw new UserError(
        `${place} is "${line}"; write an image, its class in val_annotations.txt, and four corners`,
      );
    }
    const box = boxOf(fields.slice(-4), place);
    add(boxes, fields[0]!, { box, name: fields.length === 6 ? fields[1] : undefined, place });
  }
  return (image) => boxes.get(basename(image)) ?? [];
}

const CORNERS = ['xmin', 'ymin', 'xmax', 'ymax'] as const;
const CLASS_COLUMNS = ['class', 'label', 'synset', 'name'];

/**
 * A CSV file with the columns image (a path, or the end of one), xmin, ymin, xmax and ymax (pixel numbers from 0, the last
 * ones included), and possibly class, label, synset or name. An image may have several lines.
 * @throws UserError naming the file, the line and what is wrong
 */
export async function readBoxCsv(path: string): Promise<BoxList> {
  const { columns, rows } = parseRows(await readBytes(path), path);
  const image = columns.find((name) => ['image', 'path', 'file', 'filename'].includes(name.toLowerCase()));
  const missing = CORNERS.filter((corner) => !columns.includes(corner));
  if (image === undefined || missing.length > 0) {
    const lacks = [...(image === undefined ? ['image'] : []), ...missing].join(', ');
    throw new UserError(
      `${path} lacks the column${lacks.includes(',') ? 's' : ''} ${lacks}; a list of boxes has image, ${CORNERS.join(', ')}`,
    );
  }
  const label = columns.find((name) => CLASS_COLUMNS.includes(name.toLowerCase()));
  const boxes = new Map<string, { readonly path: string; readonly boxes: ListedBox[] }[]>();
  for (const { record: row, line } of rows) {
    const place = `${path}: line ${line}`;
    const box = boxOf(
      CORNERS.map((corner) => row[corner] ?? ''),
      place,
    );
    const name = row[image]!.replaceAll('\\', '/').normalize('NFC');
    const entries = boxes.get(basename(name)) ?? [];
    if (entries.length === 0) boxes.set(basename(name), entries);
    const entry = entries.find((one) => one.path === name) ?? { path: name, boxes: [] };
    if (entry.boxes.length === 0) entries.push(entry);
    entry.boxes.push({ box, name: label === undefined ? undefined : row[label], place });
  }
  return (given) => {
    const name = given.replaceAll('\\', '/').normalize('NFC');
    const found = (boxes.get(basename(name)) ?? []).filter(
      (one) => name === one.path || name.endsWith(`/${one.path}`),
    );
    // `b/1.jpg` is more exact than `1.jpg`.
    return found.sort((a, b) => b.path.length - a.path.length)[0]?.boxes ?? [];
  };
}

interface Rows {
  readonly columns: readonly string[];
  /** With the line of the file in which each ends. */
  readonly rows: readonly { readonly record: Record<string, string>; readonly line: number }[];
}

function parseRows(bytes: Buffer, path: string): Rows {
  let columns: readonly string[] = [];
  const checked = (names: string[]) => {
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) throw new UserError(`${path} has two columns ${twice}; remove one of them`);
    columns = names;
    return names;
  };
  try {
    const options = { columns: checked, bom: true, skip_empty_lines: true, trim: true, info: true };
    const rows = parse(bytes, options) as unknown as {
      readonly record: Record<string, string>;
      readonly info: { readonly lines: number };
    }[];
    return { columns, rows: rows.map(({ record, info }) => ({ record, line: info.lines })) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path} is not a complete CSV file (${messageOf(error)}); correct it`, {
      cause: error,
    });
  }
}

function boxOf(corners: readonly string[], place: string): Box {
  const [left, top, right, bottom] = corners.map((text) => (text === '' ? Number.NaN : Number(text))) as [
    number,
    number,
    number,
    number,
  ];
  return checkBox({ left, top, right: right + 1, bottom: bottom + 1 }, place);
}

function add(boxes: Map<string, ListedBox[]>, image: string, box: ListedBox): void {
  const known = boxes.get(image);
  if (known) known.push(box);
  else boxes.set(image, [box]);
}
