import { Zip, ZipPassThrough } from 'fflate';

export interface ZipContent {
  readonly name: string;
  readonly data: Uint8Array;
}

/** Sizes of the headers before a file's data: the local header's, and an extra field's. */
const LOCAL_HEADER_BYTES = 30;
const EXTRA_HEADER_BYTES = 4;
/** The extra field that PyTorch pads with. */
const PADDING_FIELD = 0x4246;
/** The alignment that PyTorch gives storages so that they can be mapped into memory. */
const ALIGNMENT = 64;
/** A fixed date, so that the same content gives the same bytes. */
const DATE = new Date(1980, 0, 1);

/** Produces a zip archive of uncompressed files piece by piece. The data is passed on, not copied. */
export function* zipArchive(contents: Iterable<ZipContent>): Generator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let written = 0;
  const zip = new Zip((error, piece) => {
    if (error) throw error;
    pieces.push(piece);
    written += piece.length;
  });
  for (const { name, data } of contents) {
    const entry = new ZipPassThrough(name);
    entry.mtime = DATE;
    entry.extra = { [PADDING_FIELD]: new Uint8Array(padding(written, name)) };
    zip.add(entry);
    entry.push(data, true);
    yield* pieces;
    pieces = [];
  }
  zip.end();
  yield* pieces;
}

function padding(position: number, name: string): number {
  const start = position + LOCAL_HEADER_BYTES + Buffer.byteLength(name) + EXTRA_HEADER_BYTES;
  return (ALIGNMENT - (start % ALIGNMENT)) % ALIGNMENT;
}
