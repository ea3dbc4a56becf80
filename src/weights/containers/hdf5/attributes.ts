/** Reads text attributes: names of layers, a model's configuration (format specification, IV.A.2.m). */
import { elementCount } from '../../../core/shape.ts';
import { Cursor, type Hdf5Source } from './hdf5-source.ts';
import { type HeaderMessage, MessageType } from './object-header.ts';
import { type Datatype, readDataspace, readDatatype } from './types.ts';

/** Most strings in one attribute. */
const MAX_STRINGS = 10_000;

/**
 * The text attributes of an object, each as its list of strings; others are skipped.
 * @throws UserError when one is malformed.
 */
export async function readAttributes(
  source: Hdf5Source,
  messages: readonly HeaderMessage[],
): Promise<Map<string, readonly string[]>> {
  const attributes = new Map<string, readonly string[]>();
  for (const { type, body } of messages) {
    if (type !== MessageType.attribute) continue;
    const read = await readAttribute(source, body);
    if (read) attributes.set(read.name, read.values);
  }
  return attributes;
}

async function readAttribute(source: Hdf5Source, cursor: Cursor) {
  const version = cursor.u8();
  const flags = cursor.u8();
  if (version < 1 || version > 3) throw source.broken(`an attribute in it has version ${version}`);
  // Only named datatypes are shared, which no framework uses.
  if (version > 1 && flags !== 0) return undefined;
  const sizes = [cursor.u16(), cursor.u16(), cursor.u16()] as const;
  if (version === 3) cursor.skip(1);
  const part = (size: number) => cursor.take(version === 1 ? Math.ceil(size / 8) * 8 : size);
  const name = part(sizes[0]).toString('utf8').replace(/\0.*$/s, '');
  const datatype = readDatatype(new Cursor(source, part(sizes[1])));
  const shape = readDataspace(source, new Cursor(source, part(sizes[2])));
  const values = await readStrings(source, datatype, elementCount(shape), cursor);
  return values && { name, values };
}

async function readStrings(
  source: Hdf5Source,
  { kind, size }: Datatype,
  count: number,
  cursor: Cursor,
): Promise<readonly string[] | undefined> {
  if (kind !== 'text' && kind !== 'longText') return undefined;
  if (count > MAX_STRINGS) throw source.broken(`an attribute in it has ${count} strings`);
  const strings: string[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = kind === 'text' ? cursor.take(size) : await readLong(source, cursor);
    strings.push(bytes.toString('utf8').replace(/\0+$/, ''));
  }
  return strings;
}

/** Reads a string in the global heap from its length, the heap's address and its number there. */
async function readLong(source: Hdf5Source, cursor: Cursor): Promise<Buffer> {
  const length = cursor.u32();
  const address = cursor.u64();
  const wanted = cursor.u32();
  if (length === 0) return Buffer.alloc(0);
  const head = (await source.at(address, 16)).expect('GCOL').skip(4);
  const heap = await source.at(address, head.u64());
  heap.skip(16);
  while (heap.left >= 16) {
    const number = heap.u16();
    heap.skip(6);
    const size = heap.u64();
    if (number === wanted) return Buffer.from(heap.take(length));
    if (number === 0) break;
    heap.skip(Math.ceil(size / 8) * 8);
  }
  throw source.broken('a string in it is missing');
}
