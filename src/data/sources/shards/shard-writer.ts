/** Writes WebDataset tar shards, and reads back what was written. */
import { open } from 'node:fs/promises';
import { pack } from 'tar-stream';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { UserError } from '../../../core/errors.ts';
import { indexShards } from './shard-index.ts';

export interface ShardSample {
  /** Without a dot; unique in the shard. */
  readonly key: string;
  /** Of the image: jpg, png, webp. */
  readonly extension: string;
  readonly image: Uint8Array;
  /** Class number; −1 for none. */
  readonly label: number;
}

/** A fixed time, so that the same images make the same shard, byte for byte. */
const EPOCH = new Date(0);

/**
 * Writes a shard, whole or not at all, and checks that it gives back every image and label.
 * @returns its size in bytes
 * @throws UserError when it cannot be written, or does not come back as it was.
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
  const file = await open(path);
  try {
    for (const [i, { key, extension, image, label }] of samples.entries()) {
      const bytes = Buffer.alloc(image.byteLength);
      await file.read(bytes, 0, bytes.length, offsets[i] ?? 0);
      const found = labelNames[files.labels[i] ?? -1] ?? '-1';
      const same =
        files.length === samples.length &&
        files.name(i) === `${key}.${extension}` &&
        sizes[i] === image.byteLength &&
        found === String(label) &&
        bytes.equals(image);
      if (!same) {
        throw new UserError(
          `${path} does not give back ${key}.${extension} as it was written; the disk may be failing: check it and start again`,
        );
      }
    }
  } finally {
    await file.close();
  }
}
