import sharp from 'sharp';
import type { ImageSource } from '../sources/image-source.ts';

/** How many images are looked at: enough for a median, and quick over a network. */
const SAMPLE = 64;

/**
 * The median of the images' smaller sides in pixels, from the headers of some images, evenly spaced in the source.
 * Images that cannot be read do not count.
 * @returns undefined if none can be read
 */
export async function medianSide(source: ImageSource): Promise<number | undefined> {
  const count = Math.min(SAMPLE, source.length);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * source.length) / count));
  const sides = await Promise.all(indices.map((index) => sideOf(source, index).catch(() => undefined)));
  const known = sides.filter((side) => side !== undefined).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)];
}

async function sideOf(source: ImageSource, index: number): Promise<number> {
  const stored = await source.read(index);
  const { width, height } = stored.kind === 'pixels' ? stored.image : await sharp(stored.bytes).metadata();
  return Math.min(width, height);
}
