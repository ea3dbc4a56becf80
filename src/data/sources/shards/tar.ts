/**
 * The headers of tar files (POSIX ustar and pax, GNU long names and sizes), read by position: to index a
 * shard, its images need not be read.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../../../core/errors.ts';
import { readingError } from '../../../core/files.ts';

/** A file inside a tar file. */
export interface TarEntry {
  readonly name: string;
  /** Where its data start, in bytes. */
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
/** Holds a header, a small file and the next header, so that one read does for a labelled image. */
const WINDOW = 16 * BLOCK;
/** Longer than any path or label; a larger one is damage. */
const LARGEST_TEXT = 2 ** 20;

/**
 * The regular files of a tar file, in order.
 * @param visit also gets a function that reads the entry's data as text (labels), at most 1 MiB
 * @throws UserError naming the file when it is damaged or ends early
 */
export async function readTar(
  path: string,
  visit: (entry: TarEntry, text: () => Promise<string>) => Promise<void> | void,
): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw readingError(path, error);
  }
  try {
    await new TarReader(path, file, (await file.stat()).size).entries(visit);
  } finally {
    await file.close();
  }
}

class TarReader {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #window = Buffer.alloc(WINDOW);
  #windowStart = 0;
  #windowEnd = 0;

  constructor(path: string, file: FileHandle, size: number) {
    this.#path = path;
    this.#file = file;
    this.#size = size;
  }

  async entries(
    visit: (entry: TarEntry, text: () => Promise<string>) => Promise<void> | void,
  ): Promise<void> {
    // What pax and GNU headers say about the file that follows them.
    let next: { name?: string; size?: number } = {};
    for (let at = 0; at < this.#size; ) {
      const header = parseHeader(await this.#bytes(at, BLOCK));
      if (header === 'end') return;
      if (header === undefined) throw this.#damaged(`its header at byte ${at} is no tar header`);
      const offset = at + BLOCK;
      const size = next.size ?? header.size;
      if (!(Number.isSafeInteger(size) && size >= 0))
        throw this.#damaged(`its header at byte ${at} has no size`);
      if (offset + size > this.#size) throw this.#damaged(`it ends within ${next.name ?? header.name}`);
      const text = async (): Promise<string> => (await this.#bytes(offset, size)).toString('utf8');
      if (header.type === 'x') next = { ...next, ...parsePax(await text()) };
      else if (header.type === 'L') next = { ...next, name: (await text()).replace(/\0.*$/s, '') };
      else if (header.type !== 'g' && header.type !== 'K') {
        if (/[0\0]/.test(header.type)) await visit({ name: next.name ?? header.name, offset, size }, text);
        next = {};
      }
      at = offset + Math.ceil(size / BLOCK) * BLOCK;
    }
    // Two empty blocks should stand at the end, but some programs leave them out.
  }

  async #bytes(start: number, length: number): Promise<Buffer> {
    if (length > LARGEST_TEXT) throw this.#damaged(`it has a text of ${length} bytes at ${start}`);
    if (length > WINDOW) return this.#read(start, Buffer.alloc(length));
    if (start < this.#windowStart || start + length > this.#windowEnd) {
      const filled = await this.#read(start, this.#window.subarray(0, Math.min(WINDOW, this.#size - start)));
      this.#windowStart = start;
      this.#windowEnd = start + filled.length;
    }
    if (start + length > this.#windowEnd) throw this.#damaged('it ends within a header');
    return this.#window.subarray(start - this.#windowStart, start - this.#windowStart + length);
  }

  async #read(start: number, buffer: Buffer): Promise<Buffer> {
    try {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, start);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw readingError(this.#path, error);
    }
  }

  #damaged(what: string): UserError {
    return new UserError(`${this.#path} is not a whole tar file: ${what}; make or download it again`);
  }
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** @returns undefined when the checksum is wrong, 'end' for the empty block at the end */
function parseHeader(block: Buffer): Header | 'end' | undefined {
  if (block.every((byte) => byte === 0)) return 'end';
  // The checksum is the sum of the header's bytes, its own eight taken as spaces.
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== Number.parseInt(textField(block, 148, 8), 8)) return undefined;
  const size = numberField(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  const prefix =
    block.toString('latin1', 257, 262) === 'ustar' && block[263] === 0x30 ? textField(block, 345, 155) : '';
  const name = textField(block, 0, 100);
  return { name: prefix === '' ? name : `${prefix}/${name}`, size, type: String.fromCharCode(block[156]!) };
}

function textField(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
}

/** Octal digits, or GNU's binary form, marked by the highest bit, for files of 8 GB and more. */
function numberField(block: Buffer, start: number, length: number): number {
  if (block[start]! < 0x80) return Number.parseInt(textField(block, start, length).trim() || '0', 8);
  return Number(BigInt(`0x${block.toString('hex', start + length - 8, start + length)}`));
}

/** Records of `length key=value\n`; of the keys only path and size matter here. */
function parsePax(text: string): { name?: string; size?: number } {
  const found: { name?: string; size?: number } = {};
  for (const record of text.split('\n')) {
    const [, key, value] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    if (key === 'path') found.name = value!;
    if (key === 'size') found.size = Number(value);
  }
  return found;
}
