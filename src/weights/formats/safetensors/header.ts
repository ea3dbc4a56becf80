import { messageOf, UserError } from '../../../core/errors.ts';
import { elementCount, formatShape, type Shape } from '../../../core/shape.ts';
import { duplicateKey } from '../../containers/json-keys.ts';
import { elementBytes } from '../../tensors/element-types.ts';

/** The specification's limit. */
export const MAX_HEADER_BYTES = 100_000_000;
/** What stands before the header: its length, little-endian. */
export const LENGTH_BYTES = 8;
const METADATA_KEY = '__metadata__';
const SPACE = 0x20;

/** One tensor as the header describes it. */
export interface TensorEntry {
  readonly name: string;
  /** `F32`, `F16`, … */
  readonly type: string;
  readonly shape: Shape;
  /** Bytes from `start` up to, not including, `end`, counted from the first byte after the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a header's JSON and checks all that the specification asks: the tensors lie one after the other,
 * without holes or overlaps, and fill the `dataBytes` bytes after the header.
 * @param dataBytes undefined where they are still to come: whoever reads them sees whether they are enough
 * @throws UserError naming `path`, the tensor and what is wrong.
 */
export function parseHeader(
  path: string,
  bytes: Uint8Array,
  dataBytes: number | undefined,
): SafetensorsHeader {
  const header = parseObject(path, bytes);
  const entries: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA_KEY) metadata = parseMetadata(path, value);
    else entries.push(parseEntry(path, name, value));
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  checkLayout(path, entries, dataBytes);
  return { entries, metadata };
}

/**
 * The header's bytes, its length in front, padded with spaces so that the data after it is aligned to 8 bytes.
 * @throws UserError when the header would be larger than the format allows.
 */
export function formatHeader(path: string, { entries, metadata }: SafetensorsHeader): Uint8Array {
  const fields = entries.map(
    ({ name, type, shape, start, end }) =>
      `${JSON.stringify(name)}:${JSON.stringify({ dtype: type, shape, data_offsets: [start, end] })}`,
  );
  const facts = Object.entries(metadata).map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  // By hand, because an object would move keys like "1" to the front and lose "__proto__".
  if (facts.length > 0) fields.unshift(`"${METADATA_KEY}":{${facts.join(',')}}`);
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new UserError(
      `${path} could not be written: its header would take ${length} bytes, and safetensors allows ${MAX_HEADER_BYTES}; shorten the metadata`,
    );
  }
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(SPACE);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/**
 * How long the header is, from the bytes before it.
 * @param prefix the file's first `LENGTH_BYTES` bytes
 * @throws UserError when this is no safetensors file, or its header is larger than the format allows.
 */
export function headerLength(path: string, prefix: Uint8Array): number {
  checkForeign(path, prefix);
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw malformed(
      path,
      `it would have a header of ${length} bytes, above the limit of ${MAX_HEADER_BYTES}`,
    );
  }
  return Number(length);
}

/** First bytes of the formats that people are likely to confuse with this one. */
const foreignFormats: readonly (readonly [magic: string, name: string])[] = [
  ['PK\x03\x04', 'a zip archive (PyTorch writes its models so)'],
  ['\x89HDF', 'an HDF5 file (Keras writes its models so)'],
  ['\x1f\x8b', 'a gzip archive'],
];

function checkForeign(path: string, prefix: Uint8Array): void {
  const start = String.fromCharCode(...prefix);
  const format = foreignFormats.find(([magic]) => start.startsWith(magic));
  if (!format) return;
  throw new UserError(
    `${path} is not a safetensors file but ${format[1]}; unpack it, or convert it with \`vgg convert\``,
  );
}

/** A file that breaks the format. */
export function malformed(path: string, what: string): UserError {
  return new UserError(
    `${path} is not a whole safetensors file: ${what}; copy or download it again, or write it anew`,
  );
}

function parseObject(path: string, bytes: Uint8Array): Record<string, unknown> {
  let json: string;
  let header: unknown;
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(json);
  } catch (error) {
    throw malformed(path, `its header is not JSON (${messageOf(error)})`);
  }
  if (!isObject(header) || !json.startsWith('{')) {
    throw malformed(path, 'its header is not a JSON object that starts at once');
  }
  const twice = duplicateKey(json);
  if (twice !== undefined) throw malformed(path, `its header has the name ${JSON.stringify(twice)} twice`);
  return header;
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (!isObject(value)) throw malformed(path, `${METADATA_KEY} is not a JSON object`);
  for (const [key, fact] of Object.entries(value)) {
    if (typeof fact !== 'string') {
      throw malformed(path, `${METADATA_KEY} has a value under ${JSON.stringify(key)} that is not a string`);
    }
  }
  return value as Record<string, string>;
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const wrong = (what: string) => malformed(path, `tensor ${JSON.stringify(name)} ${what}`);
  if (!isObject(value)) throw wrong('is not described by a JSON object');
  const { dtype: type, shape, data_offsets: offsets } = value;
  if (typeof type !== 'string') throw wrong('has no dtype');
  if (!isCounts(shape)) throw wrong('has a shape that is not a list of whole numbers');
  if (!isCounts(offsets) || offsets.length !== 2)
    throw wrong('has data_offsets that are not two whole numbers');
  const [start, end] = offsets as [number, number];
  if (start > end) throw wrong(`ends (at ${end}) before it starts (at ${start})`);
  const size = elementBytes(type);
  const needed = size === undefined ? end - start : elementCount(shape) * size;
  if (needed !== end - start) {
    throw wrong(`has ${end - start} bytes, but ${formatShape(shape)} of ${type} takes ${needed}`);
  }
  return { name, type, shape, start, end };
}

function checkLayout(
  path: string,
  sorted: readonly TensorEntry[],
  dataBytes = sorted.at(-1)?.end ?? 0,
): void {
  let filled = 0;
  for (const { name, start, end } of sorted) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (end > dataBytes) {
      throw malformed(
        path,
        `${tensor} ends at byte ${end} of the data, but only ${dataBytes} bytes are there`,
      );
    }
    if (start < filled) throw malformed(path, `${tensor} overlaps the tensor before it`);
    if (start > filled) throw malformed(path, `a hole of ${start - filled} bytes stands before ${tensor}`);
    filled = end;
  }
  if (filled !== dataBytes) {
    throw malformed(path, `${dataBytes - filled} bytes stand behind its last tensor`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}
