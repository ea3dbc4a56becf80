/** Parses lists of images: CSV, TSV, text with spaces (Caffe's `file index`) and JSON lines. */
import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { type Options, parse } from 'csv-parse/sync';
import { messageOf, UserError } from '../../../core/errors.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import { isColumnName, type ListTable } from './list-columns.ts';

const EXTENSIONS = /\.(?:csv|tsv|tab|txt|lst|list|jsonl|ndjson)$/i;

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
  const rows: string[][] = [];
  const lines: number[] = [];
  let header: string[] | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const fields = parseObject(line, `${path}: line ${i + 1}`);
    header ??= Object.keys(fields);
    rows.push(header.map((key) => textOf(fields[key])));
    lines.push(i + 1);
  }
  if (header === undefined) throw new UserError(`${path} is empty; write a line for each image`);
  return { header, rows, lines };
}

function parseObject(line: string, place: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw new UserError(`${place} is not JSON (${messageOf(error)}); correct it`, { cause: error });
  }
  throw new UserError(`${place} is not a JSON object; correct it`);
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}
