/** Packs images into WebDataset tar shards. */
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { UserError } from '../../../core/errors.ts';
import { withFile } from '../../../core/random-access-file.ts';
import { type DecodeOptions, decodeStored } from '../../pixels/decode.ts';
import { imageExtension } from '../../pixels/image-formats.ts';
import { rescaleImage } from '../../pixels/rescale.ts';
import { fingerprintOf, noteOriginal } from '../image-fingerprints.ts';
import type { ImageSource, RgbImage } from '../image-source.ts';
import { indexShards } from './shard-index.ts';

interface PackingOptions extends DecodeOptions {
  /** Largest smaller side in pixels: Smax of the trainings that will use the shards. */
  readonly scale: number;
  /** Quality of re-encoded JPEGs, 1 to 100. */
  readonly quality: number;
}

interface PackedImage {
  readonly bytes: Uint8Array;
  readonly extension: NonNullable<ReturnType<typeof imageExtension>>;
  readonly rescaled: boolean;
}

/**
 * Decodes an image, which proves that it can be decoded. Returns it byte for byte if its smaller side is at most `scale`;
 * otherwise upright and rescaled to that, as a JPEG without chroma subsampling. Images from a source that stores pixels
 * become PNGs. A changed image carries the fingerprint of its original.
 * @throws UserError naming the image when it cannot be used.
 */
export async function packImage(
  source: ImageSource,
  index: number,
  { scale, quality, maxPixels, colorProfiles }: PackingOptions,
): Promise<PackedImage> {
  const name = source.imageName(index);
  const stored = await source.read(index);
  const image = await decodeStored(stored, name, {
    maxPixels,
    colorProfiles,
    largestSide: scale,
  });
  const { width, height } = image.original ?? image;
  if (Math.min(width, height) > scale) {
    const smaller = toSharp(await rescaleImage(image, scale, name, maxPixels));
    const bytes = await smaller.jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer();
    return { bytes: noteOriginal(bytes, fingerprintOf(stored)), extension: 'jpg', rescaled: true };
  }
  const bytes =
    stored.kind === 'encoded'
      ? stored.bytes
      : noteOriginal(await toSharp(image).png().toBuffer(), fingerprintOf(stored));
  return { bytes, extension: imageExtension(bytes)!, rescaled: false };
}

function toSharp({ pixels, width, height }: RgbImage) {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export interface ShardSample {
  /** Without a dot; unique in the shard. */
  readonly key: string;
  /** The image's extension: jpg, png, webp. */
  readonly extension: string;
  readonly image: Uint8Array;
  /** Class number; −1 for none. */
  readonly label: number;
}

/** A fixed time, so that the same images give the same shard, byte for byte. */
const EPOCH = new Date(0);

/**
 * Writes a shard, whole or not at all, and checks that every image and label can be read back.
 * @returns its size in bytes
 * @throws UserError when it cannot be written, or differs when it is read back.
 */
export async function writeShard(path: string, samples: readonly ShardSample[]): Promise<number> {
  const archive = pack();
  for (const { key, extension, image, label } of samples) {
    archive.entry({ name: `${key}.${extension}`, mtime: EPOCH }, Buffer.from(image));
    if (label >= 0) archive.entry({ name: `${key}.cls`, mtime: EPOCH }, `${label}`);
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  await writeFileAtomically(path, chunks);
  await verify(path, samples);
  return chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

async function verify(path: string, samples: readonly ShardSample[]): Promise<void> {
  const { files, labelNames, offsets, sizes } = await indexShards([path], 'webdataset');
  await withFile(path, async (file) => {
    for (const [i, { key, extension, image, label }] of samples.entries()) {
      const same =
        files.length === samples.length &&
        files.name(i) === `${key}.${extension}` &&
        sizes[i] === image.byteLength &&
        (labelNames[files.labels[i]!] ?? '-1') === String(label) &&
        (await file.read(offsets[i]!, image.byteLength)).equals(image);
      if (!same) {
        throw new UserError(
          `${path} does not return ${key}.${extension} as it was written; the disk may be failing: check it and start again`,
        );
      }
    }
  });
}
