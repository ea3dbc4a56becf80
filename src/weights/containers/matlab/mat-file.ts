/**
 * Reads MATLAB's level 5 MAT-files ("MAT-File Format", The MathWorks): numbers, text, cells and struct arrays,
 * compressed or not, in either byte order. Anything else in a file (sparse matrices, objects) is skipped.
 */
import { inflateSync } from 'node:zlib';
import { messageOf, UserError } from '../../../core/errors.ts';
import { MatBytes } from './elements.ts';

export type MatValue =
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
/** The development kit's file unpacks to 2 MB; no file should be able to fill the memory. */
const LARGEST_UNPACKED = 2 ** 28;
const DEEPEST = 32;

/**
 * The variables of a MAT-file, by name.
 * @param path the file's name in error messages
 * @throws UserError when it is not a complete level 5 MAT-file
 */
export function parseMat(bytes: Uint8Array, path: string): Map<string, MatValue> {
  try {
    return parseVariables(bytes);
  } catch (error) {
    throw new UserError(`${path} is not a complete MATLAB 5 file (${messageOf(error)}); download it again`, {
      cause: error,
    });
  }
}

function parseVariables(bytes: Uint8Array): Map<string, MatValue> {
  if (bytes.length < HEADER) throw new RangeError('it ends within its header');
  const mark = String.fromCharCode(bytes[126]!, bytes[127]!);
  if (mark !== 'IM' && mark !== 'MI') throw new RangeError('its header has no byte order mark');
  const reader = new MatBytes(bytes.subarray(HEADER), mark === 'IM');
  const variables = new Map<string, MatValue>();
  while (!reader.atEnd) {
    let element = reader.element();
    if (element.type === MI_COMPRESSED) {
      const unpacked = inflateSync(element.bytes.bytes, { maxOutputLength: LARGEST_UNPACKED });
      element = new MatBytes(unpacked, element.bytes.littleEndian).element();
    }
    if (element.type !== MI_MATRIX) continue;
    const { name, value } = parseMatrix(element.bytes, 0);
    variables.set(name, value);
  }
  return variables;
}

/** Reads the content of a miMATRIX element: flags, dimensions, name, then data that depends on the class. */
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
