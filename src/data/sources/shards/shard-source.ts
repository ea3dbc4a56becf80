import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../../../core/errors.ts';
import { readingError } from '../../../core/files.ts';
import type { ColorProfiles } from '../../../core/image-preparation.ts';
import type { ImageSource } from '../image-source.ts';
import type { Split } from '../splits.ts';
import { fingerprintOfShards, type ShardIndex } from './shard-index.ts';

interface ShardSourceOptions {
  readonly location: string;
  readonly packedColorProfiles?: ColorProfiles;
  readonly split?: Split;
  readonly classes: readonly string[];
  readonly labels: readonly string[];
  /** `[index.labelNames]`: the class number of each label as written. */
  readonly numbers: Int32Array;
  readonly paths: readonly string[];
  readonly index: ShardIndex;
}

/** A source of images in tar files. */
export function shardSource(options: ShardSourceOptions): ImageSource {
  const { location, packedColorProfiles, split, classes, labels, numbers, paths, index } = options;
  const { files, offsets, sizes } = index;
  const pathOf = (image: number): string => paths[shardOf(index, image)]!;
  const imageName = (image: number): string => `${pathOf(image)}:${files.name(image)}`;
  return {
    location,
    packedColorProfiles,
    split,
    classes,
    labels,
    length: files.length,
    label: (image) => numbers[files.labels[image]!] ?? -1,
    imageName,
    read: async (image) => {
      const bytes = Buffer.allocUnsafeSlow(sizes[image]!);
      await readAt(pathOf(image), offsets[image]!, bytes, imageName(image));
      return { kind: 'encoded', bytes };
    },
    fingerprint: async () =>
      createHash('sha256')
        .update(`${await fingerprintOfShards(paths, 'webdataset')}\0${classes.join('\0')}`)
        .digest('hex'),
  };
}

/** Opens the shard for each image, since a thousand shards may be more files than a process may hold open. */
async function readAt(path: string, offset: number, bytes: Buffer, name: string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    if (bytesRead < bytes.length) {
      throw new UserError(
        `${name} could not be read: the tar file is shorter than when it was indexed; copy it again`,
      );
    }
  } catch (error) {
    throw readingError(name, error);
  } finally {
    await file?.close();
  }
}

/** The number of the shard that holds an image. */
function shardOf({ starts }: ShardIndex, image: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle]! <= image) low = middle;
    else high = middle - 1;
  }
  return low;
}
