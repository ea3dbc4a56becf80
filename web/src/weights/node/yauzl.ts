/**
 * As much of yauzl as the readers of weight files use: the directory of a zip archive, zip64 included, and its entries.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

export abstract class RandomAccessReader {
  abstract read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const END_SIZE = 22;
const LONGEST_COMMENT = 0xffff;
const UNKNOWN = 0xffffffff;
const ZIP64 = 1;
const DEFLATED = 8;

export class Entry {
  readonly fileName: string;
  readonly compressionMethod: number;
  compressedSize: number;
  uncompressedSize: number;
  relativeOffsetOfLocalHeader: number;
  readonly #flags: number;

  constructor(header: Buffer, name: Buffer, extra: Buffer) {
    this.fileName = name.toString('utf8');
    this.#flags = header.readUInt16LE(8);
    this.compressionMethod = header.readUInt16LE(10);
    this.compressedSize = header.readUInt32LE(20);
    this.uncompressedSize = header.readUInt32LE(24);
    this.relativeOffsetOfLocalHeader = header.readUInt32LE(42);
    this.#readZip64(extra);
  }

  isEncrypted(): boolean {
    return (this.#flags & 1) !== 0;
  }

  #readZip64(extra: Buffer): void {
    for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
      if (extra.readUInt16LE(at) !== ZIP64) continue;
      let next = at + 4;
      for (const key of ['uncompressedSize', 'compressedSize', 'relativeOffsetOfLocalHeader'] as const) {
        if (this[key] !== UNKNOWN) continue;
        this[key] = Number(extra.readBigUInt64LE(next));
        next += 8;
      }
    }
  }
}

export class ZipFile {
  readonly #reader: RandomAccessReader;
  readonly #start: number;
  readonly entryCount: number;

  constructor(reader: RandomAccessReader, start: number, entryCount: number) {
    this.#reader = reader;
    this.#start = start;
    this.entryCount = entryCount;
  }

  async *eachEntry(): AsyncGenerator<Entry> {
    let at = this.#start;
    for (let i = 0; i < this.entryCount; i++) {
      const header = await bytesAt(this.#reader, at, 46);
      if (header.readUInt32LE(0) !== DIRECTORY_ENTRY) throw new Error('its directory is damaged');
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((place) =>
        header.readUInt16LE(place),
      );
      const rest = await bytesAt(this.#reader, at + 46, nameLength! + extraLength!);
      yield new Entry(header, rest.subarray(0, nameLength), rest.subarray(nameLength));
      at += 46 + nameLength! + extraLength! + commentLength!;
    }
  }

  async readLocalFileHeaderPromise({
    relativeOffsetOfLocalHeader: at,
  }: Entry): Promise<{ fileDataStart: number }> {
    const header = await bytesAt(this.#reader, at, 30);
    if (header.readUInt32LE(0) !== LOCAL_HEADER) throw new Error('an entry is not where its directory says');
    return { fileDataStart: at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28) };
  }

  async openReadStreamPromise(entry: Entry): Promise<AsyncIterable<Buffer>> {
    const { fileDataStart } = await this.readLocalFileHeaderPromise(entry);
    const stored = await bytesAt(this.#reader, fileDataStart, entry.compressedSize);
    if (entry.compressionMethod !== DEFLATED) return one(stored);
    return chunks(
      new Blob([stored as Uint8Array<ArrayBuffer>])
        .stream()
        .pipeThrough(new DecompressionStream('deflate-raw')),
    );
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function* chunks(stream: ReadableStream<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}

export async function fromRandomAccessReaderPromise(
  reader: RandomAccessReader,
  size: number,
): Promise<ZipFile> {
  const length = Math.min(size, END_SIZE + LONGEST_COMMENT);
  const tail = await bytesAt(reader, size - length, length);
  for (let at = length - END_SIZE; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END) continue;
    const [count, start] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 16)];
    if (count !== 0xffff && start !== UNKNOWN) return new ZipFile(reader, start, count);
    return zip64(reader, size - length + at);
  }
  throw new Error('the end of its directory is missing');
}

/** @param end where the end of the directory is, which the locator precedes */
async function zip64(reader: RandomAccessReader, end: number): Promise<ZipFile> {
  const locator = await bytesAt(reader, end - 20, 20);
  if (locator.readUInt32LE(0) !== LOCATOR_64) throw new Error('its zip64 directory is missing');
  const record = await bytesAt(reader, Number(locator.readBigUInt64LE(8)), 56);
  if (record.readUInt32LE(0) !== END_64) throw new Error('its zip64 directory is damaged');
  return new ZipFile(reader, Number(record.readBigUInt64LE(48)), Number(record.readBigUInt64LE(32)));
}

function bytesAt(reader: RandomAccessReader, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  return new Promise((resolve, reject) => {
    reader.read(bytes, 0, length, position, (error) => (error ? reject(error) : resolve(bytes)));
  });
}
