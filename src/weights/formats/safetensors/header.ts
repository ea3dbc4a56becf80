/**
 * The header of a safetensors file. The file is the header's length (8 bytes, little-endian), a JSON header, then the
 * tensors' bytes, one after another. https://huggingface.co/docs/safetensors/index#format
 */
import { messageOf, UserError } from '../../../core/errors.ts';
import { elementCount, formatShape, type Shape } from '../../../core/shape.ts';
import { elementBytes } from '../../tensors/element-types.ts';
import { damaged } from '../../weight-errors.ts';
import { hasSignature, MAX_HEADER_BYTES, type Signature } from '../signatures.ts';

/** Size of the field at the start of the file that holds the header's length. */
export const LENGTH_BYTES = 8;
const METADATA_KEY = '__metadata__';
const SPACE = 0x20;

/** One tensor as the header describes it. */
export interface TensorEntry {
  readonly name: string;
  /** `F32`, `F16`, … */
  readonly type: string;
  readonly shape: Shape;
  /** Bytes from `start` up to, but not including, `end`, counted from the first byte after the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a header's JSON and checks it against the specification: the tensors must follow each other without holes or
 * overlaps, and fill the `dataBytes` bytes after the header.
 * @param dataBytes undefined while they are still arriving; the caller then checks that there are enough
 * @throws UserError naming `path`, the tensor and the fault.
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
 * The header's bytes, preceded by its length and padded with spaces so that the data after it is aligned to 8 bytes.
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
  // Written by hand, because an object would move keys like "1" to the front and lose "__proto__".
  if (facts.length > 0) fields.unshift(`"${METADATA_KEY}":{${facts.join(',')}}`);
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new UserError(
      `${path} could not be written: its header would take ${length} bytes, but safetensors allows at most ${MAX_HEADER_BYTES}; shorten the metadata`,
    );
  }
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(SPACE);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/**
 * The length of the header.
 * @param prefix the file's first `LENGTH_BYTES` bytes
 * @throws UserError when this is not a safetensors file, or its header is larger than the format allows.
 */
export function headerLength(path: string, prefix: Uint8Array): number {
  for (const [signature, name] of lookalikes) {
    if (!hasSignature(prefix, signature)) continue;
    throw new UserError(
      `${path} is not a safetensors file but ${name}; unpack it, or convert it with \`vgg convert\``,
    );
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw malformed(path, `its header would have ${length} bytes, above the limit of ${MAX_HEADER_BYTES}`);
  }
  return Number(length);
}

/** Files that users are likely to confuse with safetensors. */
const lookalikes: readonly (readonly [Signature, string])[] = [
  ['zip', 'a zip archive (as PyTorch writes models)'],
  ['hdf5', 'an HDF5 file (as Keras writes models)'],
  ['gzip', 'a gzip archive'],
];

/** The error for a file that violates the format. */
export function malformed(path: string, fault: string): UserError {
  return damaged(path, 'safetensors', fault);
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
    throw malformed(path, 'its header does not start with a JSON object');
  }
  const duplicate = duplicateKey(json);
  if (duplicate !== undefined)
    throw malformed(path, `duplicate name ${JSON.stringify(duplicate)} in its header`);
  return header;
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (!isObject(value)) throw malformed(path, `${METADATA_KEY} is not a JSON object`);
  for (const [key, fact] of Object.entries(value)) {
    if (typeof fact !== 'string') {
      throw malformed(path, `the value of ${JSON.stringify(key)} in ${METADATA_KEY} is not a string`);
    }
  }
  return value as Record<string, string>;
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const wrong = (fault: string) => malformed(path, `tensor ${JSON.stringify(name)} ${fault}`);
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
      throw malformed(path, `${tensor} ends at byte ${end} of the data, but there are only ${dataBytes}`);
    }
    if (start < filled) throw malformed(path, `${tensor} overlaps the tensor before it`);
    if (start > filled) throw malformed(path, `there is a hole of ${start - filled} bytes before ${tensor}`);
    filled = end;
  }
  if (filled !== dataBytes) {
    throw malformed(path, `there are ${dataBytes - filled} bytes after its last tensor`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

/**
 * The first key that an object has twice, or undefined: JSON.parse silently keeps the last value.
 * @param json valid JSON
 */
function duplicateKey(json: string): string | undefined {
  // One set of keys for every open object; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const end = endOfString(json, at);
      if (isKey(json, end)) {
        const key = JSON.parse(json.slice(at, end)) as string;
        if (open.at(-1)?.has(key)) return key;
        open.at(-1)?.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The position after the closing quotation mark of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Whether a colon follows (after optional white space), as it does only after keys. */
function isKey(json: string, end: number): boolean {
  let at = end;
  while (' \t\n\r'.includes(json[at] ?? '!')) at++;
  return json[at] === ':';
}
