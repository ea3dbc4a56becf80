/**
 * Reads MATLAB's level 5 MAT-files ("MAT-File Format", The MathWorks): numbers, text, cells and struct arrays,
 * compressed or not, in either byte order. Anything else in a file (sparse matrices, objects) is skipped.
 */
import { createInflate } from 'node:zlib';
import { messageOf, UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { MatBytes, type StoredNumbers } from './elements.ts';

export type MatValue =
  | { readonly kind: 'array'; readonly shape: readonly number[]; readonly stored: StoredNumbers }
  | { readonly kind: 'numbers'; readonly shape: readonly number[]; readonly values: readonly number[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'cell'; readonly shape: readonly number[]; readonly values: readonly MatValue[] }
  | {
      readonly kind: 'struct';
      readonly shape: readonly number[];
      readonly elements: readonly ReadonlyMap<string, MatValue>[];
    }
  | { readonly kind: 'other' };

const HEADER = 128;
const MI_MATRIX = 14;
const MI_COMPRESSED = 15;
/** Array classes, the low byte of the array flags. Classes from double to uint64 are numbers. */
const CLASS = { cell: 1, struct: 2, char: 4, double: 6, uint64: 15 };
/** Numbers that are not read one by one: weights. */
const LARGE = 1024;
/** Weights compress by a tenth; zeros by much, but no network has only zeros. */
const LARGEST_RATIO = 32;
/** The format's own limit for a variable. */
const LARGEST_VARIABLE = 2 ** 31;
const DEEPEST = 32;
const TAG = 8;
const CHUNK = 2 ** 20;

/** A file, or something like one. */
export type MatSource = Pick<RandomAccessFile, 'path' | 'size' | 'read'>;

/**
 * The variables of a MAT-file, by name. They are in memory, arrays as they are stored, other values as JavaScript's.
 * @throws UserError when it is not a complete level 5 MAT-file
 */
export async function readMat(file: MatSource): Promise<Map<string, MatValue>> {
  try {
    return await readVariables(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${file.path} is not a complete MATLAB 5 file (${messageOf(error)}); download it again`,
      { cause: error },
    );
  }
}

async function readVariables(file: MatSource): Promise<Map<string, MatValue>> {
  if (file.size < HEADER) throw new RangeError('it ends within its header');
  const mark = (await file.read(126, 2)).toString('latin1');
  if (mark !== 'IM' && mark !== 'MI') throw new RangeError('its header has no byte order mark');
  const little = mark === 'IM';
  const variables = new Map<string, MatValue>();
  for (let at = HEADER; at < file.size; ) {
    if (at + TAG > file.size) throw new RangeError('it ends within an element');
    const tag = await file.read(at, TAG);
    const type = little ? tag.readUInt32LE(0) : tag.readUInt32BE(0);
    const size = little ? tag.readUInt32LE(4) : tag.readUInt32BE(4);
    // A small element, which is never a variable, has its data in its tag.
    const isSmall = type >>> 16 !== 0;
    const start = at + TAG;
    at = isSmall ? start : start + (type === MI_COMPRESSED ? size : Math.ceil(size / 8) * 8);
    if (isSmall || (type !== MI_MATRIX && type !== MI_COMPRESSED)) continue;
    if (start + size > file.size) throw new RangeError('it ends within an element');
    const bytes =
      type === MI_COMPRESSED
        ? await inflateVariable(file, start, size, little)
        : size > LARGEST_VARIABLE
          ? undefined
          : await file.read(start, size);
    if (bytes === undefined) continue;
    const { name, value } = parseMatrix(new MatBytes(bytes, little), 0);
    variables.set(name, value);
  }
  return variables;
}

/** @returns the content of the matrix, or undefined for another kind of element */
async function inflateVariable(
  file: MatSource,
  start: number,
  size: number,
  little: boolean,
): Promise<Buffer | undefined> {
  const inflate = createInflate();
  const feed = async () => {
    for (let at = 0; at < size; at += CHUNK) {
      const chunk = await file.read(start + at, Math.min(CHUNK, size - at));
      if (!inflate.write(chunk)) await new Promise((resolve) => inflate.once('drain', resolve));
      if (inflate.destroyed) return;
    }
    inflate.end();
  };
  const feeding = feed().catch((error: Error) => void inflate.destroy(error));
  const tag = Buffer.alloc(TAG);
  let target: Buffer | undefined;
  let filled = 0;
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      const inTag = chunk.copy(tag, Math.min(filled, TAG));
      filled += inTag;
      if (filled >= TAG && target === undefined) {
        const type = little ? tag.readUInt32LE(0) : tag.readUInt32BE(0);
        if (type !== MI_MATRIX) return undefined;
        const length = little ? tag.readUInt32LE(4) : tag.readUInt32BE(4);
        if (length > LARGEST_VARIABLE || length > LARGEST_RATIO * size + CHUNK) {
          throw new RangeError(`a variable would unpack from ${size} to ${length} bytes`);
        }
        target = Buffer.alloc(length);
      }
      if (target) filled += chunk.copy(target, filled - TAG, inTag);
      if (target && filled - TAG >= target.length) return target;
    }
  } finally {
    inflate.destroy();
    void feeding;
  }
  throw new RangeError('it ends within an element');
}

/** Reads a matrix: flags, dimensions, name, then data that depends on the class. */
function parseMatrix(bytes: MatBytes, depth: number): { name: string; value: MatValue } {
  if (depth > DEEPEST) throw new RangeError('it is nested too deeply');
  // An element of zero bytes is the empty matrix.
  if (bytes.atEnd) return { name: '', value: { kind: 'numbers', shape: [0, 0], values: [] } };
  const arrayClass = bytes.numbers()[0]! & 0xff;
  const shape = bytes.numbers();
  const name = bytes.text();
  return { name, value: parseContent(bytes, arrayClass, shape, depth) };
}

function parseContent(bytes: MatBytes, arrayClass: number, shape: number[], depth: number): MatValue {
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (arrayClass === CLASS.char) return { kind: 'text', text: bytes.text() };
  if (arrayClass >= CLASS.double && arrayClass <= CLASS.uint64) {
    if (count > LARGE) return { kind: 'array', shape, stored: bytes.stored(count) };
    const values = bytes.numbers();
    if (values.length !== count) throw new RangeError(`an array of ${count} numbers has ${values.length}`);
    return { kind: 'numbers', shape, values };
  }
  if (arrayClass === CLASS.cell) {
    return { kind: 'cell', shape, values: repeat(count, bytes, () => parseInner(bytes, depth)) };
  }
  if (arrayClass !== CLASS.struct) return { kind: 'other' };
  const fields = parseFieldNames(bytes);
  const elements = repeat(
    fields.length === 0 ? 0 : count,
    bytes,
    () => new Map(fields.map((field) => [field, parseInner(bytes, depth)])),
  );
  return { kind: 'struct', shape, elements };
}

function parseInner(bytes: MatBytes, depth: number): MatValue {
  const element = bytes.element();
  if (element.type !== MI_MATRIX) throw new RangeError('a part of an array is not an array');
  return parseMatrix(element.bytes, depth + 1).value;
}

/** One name after another, each padded with zeros to the same length. */
function parseFieldNames(bytes: MatBytes): string[] {
  const [length = 0] = bytes.numbers();
  const names = bytes.text();
  if (length < 1 || names.length % length !== 0) throw new RangeError('its field names are damaged');
  return Array.from({ length: names.length / length }, (_, i) => {
    const [name = ''] = names.slice(i * length, (i + 1) * length).split('\0');
    return name;
  });
}

/** `count` comes from the file and may be nonsense: stop when the bytes do. */
function repeat<T>(count: number, bytes: MatBytes, parse: () => T): T[] {
  const values: T[] = [];
  for (let i = 0; i < count; i++) {
    if (bytes.atEnd) throw new RangeError(`an array of ${count} elements has ${i}`);
    values.push(parse());
  }
  return values;
}
