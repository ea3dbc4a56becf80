/** The files of a zip archive, read in place: the directory once, and each file when it is needed. */
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Entry, getFileNameLowLevel } from 'yauzl';
import { messageOf, UserError } from '../../../core/errors.ts';
import { type RandomAccessFile, withFile } from '../../../core/random-access-file.ts';
import { openZip } from '../../../core/zip-file.ts';
import { type ArchiveEntry, ArchiveTree, byName, cleanName } from './archive-tree.ts';

const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
/** Larger than any image file, and small enough for memory. */
const LARGEST_FILE = 2 ** 30;

interface ZipEntry extends ArchiveEntry {
  /** Where the file's local header starts, in bytes. */
  readonly position: number;
  readonly size: number;
  readonly unpackedSize: number;
  readonly isDeflated: boolean;
  readonly checksum: number;
}

/** Reads an archive's directory. @throws UserError when it is damaged, encrypted or packed by an unusual method */
export async function openZipArchive(path: string): Promise<ArchiveTree> {
  const entries = await withFile(path, readDirectory);
  entries.sort(byName);
  const twice = entries.find(({ name }, i) => name === entries[i + 1]?.name && !name.endsWith('/'));
  if (twice !== undefined) {
    throw new UserError(`${path} has two files with the path "${twice.name}"; unpack it and rename one`);
  }
  const positions = Float64Array.from(entries, ({ position }) => position);
  const sizes = Float64Array.from(entries, ({ size }) => size);
  const unpackedSizes = Float64Array.from(entries, ({ unpackedSize }) => unpackedSize);
  const deflated = Uint8Array.from(entries, ({ isDeflated }) => Number(isDeflated));
  const checksums = Uint32Array.from(entries, ({ checksum }) => checksum);
  return new ArchiveTree(
    { path, entries },
    {
      read: async (i, name) => {
        const unpackedSize = unpackedSizes[i]!;
        if (Math.max(unpackedSize, sizes[i]!) > LARGEST_FILE) {
          throw new UserError(`${name} has more than 1 GiB; remove it from the archive`);
        }
        const data = await withFile(path, (file) => readData(file, positions[i]!, sizes[i]!));
        const unpacked = deflated[i] ? await inflate(data, unpackedSize, name) : data;
        if (unpacked.length === unpackedSize && crc32(unpacked) === checksums[i]) return unpacked;
        throw damaged(name, 'its checksum differs');
      },
      version: (i) => `${unpackedSizes[i]} ${checksums[i]}`,
    },
  );
}

async function readDirectory(file: RandomAccessFile): Promise<ZipEntry[]> {
  const { path } = file;
  const entries: ZipEntry[] = [];
  try {
    const zip = await openZip(file, { decodeStrings: false });
    for await (const entry of zip.eachEntry()) {
      const name = cleanName(path, nameOf(entry));
      if (name === undefined) continue;
      checkMethod(path, name, entry);
      entries.push({
        name,
        position: entry.relativeOffsetOfLocalHeader,
        size: entry.compressedSize,
        unpackedSize: entry.uncompressedSize,
        isDeflated: entry.compressionMethod === DEFLATED,
        checksum: entry.crc32,
      });
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path} is not a complete zip archive: ${messageOf(error)}; make or download it again`,
      { cause: error },
    );
  }
  return entries;
}

/**
 * Names are in UTF-8 if a flag says so or a field of the entry repeats them; otherwise in code page 437 by the
 * specification, but macOS and others write UTF-8 without the flag.
 */
function nameOf({ generalPurposeBitFlag, fileNameRaw, extraFields }: Entry): string {
  const isUtf8 = Buffer.from(fileNameRaw.toString('utf8')).equals(fileNameRaw);
  return getFileNameLowLevel(generalPurposeBitFlag | (isUtf8 ? 0x800 : 0), fileNameRaw, extraFields, false);
}

function checkMethod(path: string, name: string, entry: Entry): void {
  const remedy = 'unpack it and give the folder';
  if (entry.isEncrypted()) throw new UserError(`${path} is encrypted (${name}); ${remedy}`);
  const { compressionMethod: method } = entry;
  if (method === STORED || method === DEFLATED) return;
  throw new UserError(
    `${path}: ${name} is compressed by method ${method}, which is not supported; ${remedy}`,
  );
}

/** The data after a local header, whose length differs from that of the directory's entry. */
async function readData(file: RandomAccessFile, position: number, size: number): Promise<Buffer> {
  if (position + LOCAL_HEADER_BYTES + size > file.size) {
    throw damaged(file.path, 'it is shorter than its directory says');
  }
  const header = await file.read(position, LOCAL_HEADER_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_HEADER) throw damaged(file.path, `byte ${position} is not a header`);
  return file.read(position + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28), size);
}

async function inflate(data: Buffer, size: number, name: string): Promise<Buffer> {
  try {
    return await promisify(inflateRaw)(data, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw damaged(name, messageOf(error));
  }
}

function damaged(name: string, what: string): UserError {
  return new UserError(`${name} could not be read: ${what}; make or download the archive again`);
}
