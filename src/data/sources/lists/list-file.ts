/** Parses lists of images: CSV, TSV, text with spaces (Caffe's `file index`), JSON lines and JSON. */
import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { type Options, parse } from 'csv-parse/sync';
import { messageOf, UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { isColumnName, type ListTable } from './list-columns.ts';

const EXTENSIONS = /\.(?:csv|tsv|tab|txt|lst|list|jsonl|ndjson|json)$/i;

export function isListName(name: string): boolean {
  return EXTENSIONS.test(name);
}

/**
 * Parses a list by its extension and its first line.
 * @param path for messages, and for the extension
 * @throws UserError naming the line
 */
export function parseList(bytes: Buffer, path: string): ListTable {
  const text = decode(bytes, path);
  if (/\.(?:jsonl|ndjson)$/i.test(path)) return parseJsonLines(text, path);
  if (/\.json$/i.test(path)) return parseJson(text, path);
  const first = /^.*\S.*$/m.exec(text)?.[0];
  if (first === undefined)
    throw new UserError(`${path} is empty; write a line for each image, such as cat.jpg,cat`);
  const delimiter = delimiterOf(first, path);
  const { rows, lines } = delimiter === ' ' ? parseWords(text) : parseDelimited(text, delimiter, path);
  return isHeader(rows[0]!)
    ? { header: rows[0], rows: rows.slice(1), lines: lines.slice(1) }
    : { rows, lines };
}

/**
 * Excel's "Unicode text" is UTF-16; everything else must be UTF-8: in another encoding two classes could get the same
 * name. The line that names the separator for Excel is left out.
 */
function decode(bytes: Buffer, path: string): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  if (!isUtf16 && !isUtf8(bytes)) {
    const line = bytes.toString('utf8').split('\ufffd', 1)[0]!.split('\n').length;
    throw new UserError(
      `${path} is not encoded as UTF-8 (line ${line}); convert it: iconv -f WINDOWS-1252 -t UTF-8 ${path}`,
    );
  }
  const text = bytes.toString(isUtf16 ? 'utf16le' : 'utf8').replace(/^\ufeff/, '');
  return text.replace(/^sep=.(?=\r?\n)/i, '');
}

function delimiterOf(line: string, path: string): string {
  const unquoted = line.replace(/"(?:[^"]|"")*"/g, 'x');
  if (/^\.(?:tsv|tab)$/i.test(extname(path))) return '\t';
  const found = ['\t', ';', '|', ','].find((delimiter) => unquoted.includes(delimiter));
  if (/^\.csv$/i.test(extname(path))) return found ?? ',';
  // In text files a comma may belong to a file's name.
  return found ?? (/\s/.test(unquoted.trim()) ? ' ' : ',');
}

type Parsed = Pick<ListTable, 'rows' | 'lines'>;

function parseDelimited(text: string, delimiter: string, path: string): Parsed {
  const lines: number[] = [];
  const options: Options = {
    delimiter,
    trim: true,
    skip_empty_lines: true,
    on_record: (record: string[], { lines: line }) => {
      lines.push(line);
      return record;
    },
  };
  try {
    return { rows: parse(text, options) as string[][], lines };
  } catch (error) {
    const fault = messageOf(error).replace(/^(.)/, (letter) => letter.toLowerCase());
    throw new UserError(`${path} is not a valid list: ${fault}; correct that line`, { cause: error });
  }
}

/** `file label`, where the file may have spaces if it ends like an image, or is quoted. */
function parseWords(text: string): Parsed {
  const rows: string[][] = [];
  const lines: number[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    rows.push(wordsOf(line.trim()));
    lines.push(i + 1);
  }
  return { rows, lines };
}

function wordsOf(line: string): string[] {
  const [, quoted, rest] = /^"((?:[^"]|"")*)"\s+(.*)$/.exec(line) ?? [];
  if (quoted !== undefined) return [quoted.replaceAll('""', '"'), rest!];
  const [, file, label] = /^(.*?\.\w{3,4})\s+(.*)$/.exec(line) ?? [];
  return file !== undefined && isImageName(file) ? [file, label!] : line.split(/\s+/);
}

function isHeader(row: readonly string[]): boolean {
  return row.some(isColumnName) && !row.some(isImageName);
}

function parseJsonLines(text: string, path: string): ListTable {
  const records: JsonRecord[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const place = `${path}: line ${i + 1}`;
    const value = parsed(line, place);
    if (!isObject(value)) throw new UserError(`${place} is not a JSON object; correct it`);
    records.push({ fields: value, line: i + 1 });
  }
  return tableOf(records, path);
}

/** An array of objects, or a single object with a label for each image: `{"cat.jpg": "cat"}`. */
function parseJson(text: string, path: string): ListTable {
  const value = parsed(text, path);
  if (Array.isArray(value) && value.every(isObject)) {
    return tableOf(
      value.map((fields, i) => ({ fields, line: i + 1 })),
      path,
    );
  }
  const entries = isObject(value) ? Object.entries(value) : [];
  if (
    entries.length > 0 &&
    entries.every(([name, label]) => isImageName(name) && typeof label !== 'object')
  ) {
    return {
      header: ['file_name', 'label'],
      rows: entries.map(([name, label]) => [name, textOf(label, 'label', `${path}: ${name}`)]),
      lines: entries.map((_, i) => i + 1),
    };
  }
  throw new UserError(
    `${path} is not a list of images; write an array with an object for each image: [{"file_name": "cat.jpg", "label": "cat"}]`,
  );
}

interface JsonRecord {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Line or position, from 1. */
  readonly line: number;
}

/** Columns are the keys of all records; a record without a key has an empty field. */
function tableOf(records: readonly JsonRecord[], path: string): ListTable {
  if (records.length === 0) throw new UserError(`${path} is empty; write a line for each image`);
  const header = [...new Set(records.flatMap(({ fields }) => Object.keys(fields)))];
  return {
    header,
    rows: records.map(({ fields, line }) =>
      header.map((key) => textOf(fields[key], key, `${path}: line ${line}`)),
    ),
    lines: records.map(({ line }) => line),
  };
}

function parsed(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${place} is not JSON (${messageOf(error)}); correct it`, { cause: error });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws UserError for several labels, which would otherwise look like none */
function textOf(value: unknown, key: string, place: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'object') return String(value);
  if (!isColumnName(key)) return '';
  const [only, ...others] = Array.isArray(value) ? (value as unknown[]) : [value, value];
  if (others.length === 0) return textOf(only, key, place);
  throw new UserError(`${place} has several values in "${key}"; write one text or number`);
}
