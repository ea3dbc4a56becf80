/** Hashes of images by their content: the same for copies, whatever their names and times. */
import { createHash } from 'node:crypto';
import type { ImageSource, StoredImage } from './image-source.ts';

/** 128 bits of the SHA-256 of an image as it is stored, in hexadecimal. */
export function contentHash(stored: StoredImage): string {
  const hash = createHash('sha256');
  if (stored.kind === 'encoded') hash.update(stored.bytes);
  else hash.update(`${stored.image.width}x${stored.image.height}\0`).update(stored.image.pixels);
  return hash.digest('hex').slice(0, 32);
}

/** `contentHash` of one image of a source; undefined if it cannot be read. */
export async function contentHashOf(source: ImageSource, index: number): Promise<ContentHash | undefined> {
  try {
    const stored = await source.read(index);
    const { byteLength } = stored.kind === 'encoded' ? stored.bytes : stored.image.pixels;
    return { hash: contentHash(stored), bytes: byteLength };
  } catch {
    return undefined;
  }
}

interface ContentHash {
  readonly hash: string;
  readonly bytes: number;
}
