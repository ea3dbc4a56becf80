/**
 * Reads the headers of tar files (POSIX ustar and pax, GNU long names and sizes) by position, so that indexing a shard
 * does not read its images.
 */
import { UserError } from '../../../core/errors.ts';
import { type RandomAccessFile, ReadWindow, withFile } from '../../../core/random-access-file.ts';

/** A file inside a tar file. */
export interface TarEntry {
  readonly name: string;
  /** Where its data starts in the tar file, in bytes. */
  readonly offset: number;
  readonly size: number;
}

/** @param text reads the entry's data as text (a label), at most 1 MiB */
type Visit = (entry: TarEntry, text: () => Promise<string>) => Promise<void> | void;

/** A folder or link inside a tar file. */
export interface TarLink {
  readonly name: string;
  readonly kind: 'folder' | 'hard link' | 'symbolic link';
  /** Where a link leads, as written. */
  readonly target: string;
}

const LINKS: Readonly<Record<string, TarLink['kind']>> = {
  1: 'hard link',
  2: 'symbolic link',
  5: 'folder',
};

const BLOCK = 512;
/** Large enough for a header, a small file and the next header, so that one read is enough for a labeled image. */
const WINDOW = 16 * BLOCK;
/** Longer than any path or label; anything larger is damage. */
const LARGEST_TEXT = 2 ** 20;

/**
 * Visits the regular files of a tar file, in order.
 * @param visitLink visits the folders and links among them
 * @throws UserError naming the file when it is damaged or ends early
 */
export function readTar(path: string, visit: Visit, visitLink?: (link: TarLink) => void): Promise<void> {
  return withFile(path, (file) => readEntries(file, visit, visitLink));
}

async function readEntries(
  file: RandomAccessFile,
  visit: Visit,
  visitLink?: (link: TarLink) => void,
): Promise<void> {
  const { path, size: end } = file;
  const window = new ReadWindow(file, end, WINDOW);
  // Attributes that pax and GNU headers give to the file after them.
  let next: PaxAttributes = {};
  for (let at = 0; at < end; ) {
    if (at + BLOCK > end) throw damaged(path, 'it ends within a header');
    const header = parseHeader(await window.read(at, BLOCK));
    if (header === 'end') return;
    if (header === undefined) throw damaged(path, `the header at byte ${at} is not a tar header`);
    const offset = at + BLOCK;
    const size = next.size ?? header.size;
    if (!(Number.isSafeInteger(size) && size >= 0))
      throw damaged(path, `the header at byte ${at} has no size`);
    if (offset + size > end) throw damaged(path, `it ends within ${next.name ?? header.name}`);
    const text = async (): Promise<string> => {
      if (size > LARGEST_TEXT) throw damaged(path, `it has a text of ${size} bytes at byte ${offset}`);
      return (await window.read(offset, size)).toString('utf8');
    };
    if (header.type === 'x') next = { ...next, ...parsePax(await text()) };
    else if (header.type === 'L') next = { ...next, name: (await text()).replace(/\0.*$/s, '') };
    else if (header.type === 'K') next = { ...next, link: (await text()).replace(/\0.*$/s, '') };
    else if (header.type !== 'g') {
      const name = next.name ?? header.name;
      const kind = LINKS[header.type];
      if (/[0\0]/.test(header.type)) await visit({ name, offset, size }, text);
      else if (kind !== undefined) visitLink?.({ name, kind, target: next.link ?? header.link });
      next = {};
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  // Two empty blocks should mark the end, but some programs leave them out.
}

function damaged(path: string, what: string): UserError {
  return new UserError(`${path} is not a complete tar file: ${what}; make or download it again`);
}

interface Header {
  readonly name: string;
  readonly link: string;
  readonly size: number;
  readonly type: string;
}

/** @returns undefined if the checksum is wrong, 'end' for the empty block at the end */
function parseHeader(block: Buffer): Header | 'end' | undefined {
  if (block.every((byte) => byte === 0)) return 'end';
  // The checksum is the sum of the header's bytes, with its own eight bytes counted as spaces.
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== Number.parseInt(textField(block, 148, 8), 8)) return undefined;
  const size = numberField(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  const prefix =
    block.toString('latin1', 257, 262) === 'ustar' && block[263] === 0x30 ? textField(block, 345, 155) : '';
  const name = textField(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    link: textField(block, 157, 100),
    size,
    type: String.fromCharCode(block[156]!),
  };
}

function textField(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
}

/** Octal digits, or GNU's binary form for files of 8 GB and more, marked by the highest bit. */
function numberField(block: Buffer, start: number, length: number): number {
  if (block[start]! < 0x80) return Number.parseInt(textField(block, start, length).trim() || '0', 8);
  return Number(BigInt(`0x${block.toString('hex', start + length - 8, start + length)}`));
}

interface PaxAttributes {
  name?: string;
  size?: number;
  link?: string;
}

/** Records of the form `length key=value\n`; only the keys path, size and linkpath matter here. */
function parsePax(text: string): PaxAttributes {
  const found: PaxAttributes = {};
  for (const record of text.split('\n')) {
    const [, key, value] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    if (key === 'path') found.name = value!;
    if (key === 'size') found.size = Number(value);
    if (key === 'linkpath') found.link = value!;
  }
  return found;
}
