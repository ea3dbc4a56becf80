/**
 * Fingerprints of images: hashes of their stored bytes, which recognize an image wherever it is and whatever its name.
 * An image that `vgg pack` has shrunk carries the fingerprint of its original as a comment.
 */
import { crc32 } from 'node:zlib';
import { defaultConcurrency, mapConcurrently } from '../../core/concurrency.ts';
import { alone, shareOf, type Team } from '../../core/process-team.ts';
import { reportProgress } from '../../core/progress-channel.ts';
import { contentHash } from './content-hash.ts';
import type { ImageSource, StoredImage } from './image-source.ts';

/** Of a million images, two different ones have the same fingerprint with a probability of 0.2 %. */
const BYTES = 6;
const NOTE = 'verydeep original';
const NOTED = new RegExp(`${NOTE} ([0-9a-f]{${2 * BYTES}})`);
/** A note starts within these bytes: 2 of a JPEG or 33 of a PNG come before its chunk. */
const NOTE_END = 128;

/** The fingerprint of an image, or of the image that it was shrunk from, in hexadecimal. */
export function fingerprintOf(stored: StoredImage): string {
  if (stored.kind === 'encoded') {
    const noted = NOTED.exec(Buffer.from(stored.bytes.subarray(0, NOTE_END)).toString('latin1'));
    if (noted) return noted[1]!;
  }
  return contentHash(stored).slice(0, 2 * BYTES);
}

/** Adds the fingerprint of the original to a JPEG or PNG, as a comment that decoders ignore. */
export function noteOriginal(bytes: Uint8Array, fingerprint: string): Uint8Array {
  const note = `${NOTE} ${fingerprint}`;
  const isJpeg = bytes[0] === 0xff;
  const comment = isJpeg ? jpegComment(note) : pngText(`Comment\0${note}`);
  const at = isJpeg ? 2 : 33;
  return Buffer.concat([bytes.subarray(0, at), comment, bytes.subarray(at)]);
}

function jpegComment(text: string): Buffer {
  const header = Buffer.from([0xff, 0xfe, 0, 0]);
  header.writeUInt16BE(text.length + 2, 2);
  return Buffer.concat([header, Buffer.from(text, 'latin1')]);
}

function pngText(text: string): Buffer {
  const chunk = Buffer.from(`\0\0\0\0tEXt${text}\0\0\0\0`, 'latin1');
  chunk.writeUInt32BE(text.length, 0);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), text.length + 8);
  return chunk;
}

/** A source that reports the fingerprint of each image that is read from it. */
export function watchFingerprints(
  source: ImageSource,
  onRead: (index: number, fingerprint: string) => void,
): ImageSource {
  const read = async (index: number): Promise<StoredImage> => {
    const stored = await source.read(index);
    onRead(index, fingerprintOf(stored));
    return stored;
  };
  return { ...source, read };
}

/**
 * The fingerprints of all images of a source; an image that cannot be read has an empty one.
 * @param known fingerprints by image, which need not be read again
 * @param team processes that share the reading; each gets all fingerprints
 * @throws the signal's reason when it aborts
 */
export async function fingerprintImages(
  source: ImageSource,
  { known, team = alone, signal, onProgress = reportComparison }: FingerprintOptions = {},
): Promise<string[]> {
  const [start, end] = shareOf(source.length, team);
  const images = Array.from({ length: end - start }, (_, i) => start + i);
  const missing = images.filter((image) => !known?.has(image));
  let done = 0;
  const read = await mapConcurrently(missing, defaultConcurrency, async (image) => {
    signal?.throwIfAborted();
    // Whoever uses the image finds out why it cannot be read.
    const fingerprint = await source.read(image).then(fingerprintOf, () => '');
    onProgress(++done, missing.length);
    return fingerprint;
  });
  const found = new Map(missing.map((image, i) => [image, read[i]!]));
  const own = images.map((image) => known?.get(image) ?? found.get(image)!);
  return (await team.gather(own)).flat();
}

interface FingerprintOptions {
  readonly known?: ReadonlyMap<number, string>;
  readonly team?: Team;
  readonly signal?: AbortSignal;
  /** Called after each image that is read, on each process for its own (default: reports it as progress). */
  onProgress?(done: number, total: number): void;
}

function reportComparison(done: number, total: number): void {
  reportProgress({ label: 'comparing with the training images', done, total });
}

/** Fingerprints as a compact text: 8 characters each. */
export function packFingerprints(fingerprints: readonly string[]): string {
  return Buffer.from([...new Set(fingerprints)].sort().join(''), 'hex').toString('base64');
}

/** The fingerprints in a text that `packFingerprints` wrote. */
export function unpackFingerprints(text: string): Set<string> {
  const joined = Buffer.from(text, 'base64').toString('hex');
  return new Set(joined.match(new RegExp(`.{${2 * BYTES}}`, 'g')));
}
