/** Packs a data set into tar shards: a few large files instead of a million small ones. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { defaultConcurrency, mapConcurrently } from '../core/concurrency.ts';
import { messageOf, UserError } from '../core/errors.ts';
import { ifExists, makeFolder, readBytes } from '../core/files.ts';
import { type ColorProfiles, colorProfileModes } from '../core/image-preparation.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openSplits, type SplitSource } from '../data/sources/open-images.ts';
import { packImage, type ShardSample, writeShard } from '../data/sources/shards/shard-writer.ts';

export interface PackOptions {
  /** Location of the data set, see `openImages`. */
  readonly data: string;
  /** Folder for the shards; if packing was interrupted there, it is continued. */
  readonly out: string;
  /** Images are shrunk to this smaller side, in pixels; smaller images are copied unchanged (default 512). */
  readonly scale?: number;
  /** JPEG quality of shrunk images, 1 to 100 (default 95). */
  readonly quality?: number;
  /** Images per shard (default 1000). */
  readonly perShard?: number;
  /** Whether to leave out images that cannot be read, instead of failing (default false). */
  readonly skipBad?: boolean;
  /** Images with more pixels are rejected (default 100 million). */
  readonly maxPixels?: number;
  /** What happens to embedded color profiles of shrunk images; others keep theirs (default `ignore`). */
  readonly colorProfiles?: ColorProfiles;
  /** Stops between images; the same call continues later (default: never). */
  readonly signal?: AbortSignal;
  /** Called with the number of images packed so far. */
  onProgress?(done: number, total: number): void;
  /** Called for each image that is left out, and once for each split with files that are not used (`note: 3 files were …`). */
  onNote?(note: string): void;
}

export interface PackedSplit {
  /** `train`, `val` or `test`. */
  readonly split: string;
  readonly shards: number;
  readonly images: number;
  /** Images that were shrunk. */
  readonly rescaled: number;
  /** Images left out. */
  readonly bad: number;
  readonly bytes: number;
}

export interface PackResult {
  readonly splits: readonly PackedSplit[];
}

const shardSchema = z.object({
  name: z.string(),
  images: z.int(),
  rescaled: z.int(),
  bytes: z.int(),
  bad: z.array(z.string()),
});
type ShardRecord = z.output<typeof shardSchema>;

const recordSchema = z.object({
  format: z.literal('verydeep pack 1'),
  /** What the shards depend on: images and options. */
  key: z.string(),
  /** Absent in records of version 0.2, which converted profiles. */
  colorProfiles: z.enum(colorProfileModes).optional(),
  classes: z.array(z.string()),
  shards: z.array(shardSchema),
});
type PackRecord = z.output<typeof recordSchema>;

/**
 * Packs all splits of a data set into tar shards (WebDataset). Labels and order are preserved, and existing shards are
 * kept.
 * @throws UserError naming a bad image (unless `skipBad`), or when the folder holds a different packing.
 * @example
 * const { splits } = await packImages({ data: 'ILSVRC', out: 'ilsvrc-512', scale: 512 });
 * console.log(splits.map(({ split, images, bytes }) => [split, images, bytes]));
 */
export async function packImages(options: PackOptions): Promise<PackResult> {
  const { out, perShard = 1000, signal, onProgress } = options;
  const splits = await openSplits(options.data, 'required');
  for (const { source } of splits) {
    const note = describeUnused(source.unused);
    if (note !== undefined) options.onNote?.(note);
  }
  const record = await openRecord(options, splits);
  const total = splits.reduce((sum, { source }) => sum + source.length, 0);
  let done = 0;
  for (const { name, source } of splits) {
    for (let first = 0, shard = 0; first < source.length; first += perShard, shard++) {
      const count = Math.min(perShard, source.length - first);
      const file = `${name}-${String(shard).padStart(6, '0')}.tar`;
      if (!(await isThere(out, file, record))) {
        const made = await packShard({ file, source, first, count }, options, (extra) =>
          onProgress?.(done + extra, total),
        );
        record.shards = [...record.shards.filter((other) => other.name !== file), made];
        await saveRecord(out, record);
      }
      done += count;
      onProgress?.(done, total);
      signal?.throwIfAborted();
    }
  }
  await writeClasses(out, splits[0]!.source);
  return { splits: splits.map(({ name }) => summary(name, record)) };
}

async function openRecord(options: PackOptions, splits: readonly SplitSource[]): Promise<PackRecord> {
  const {
    out,
    scale = 512,
    quality = 95,
    perShard = 1000,
    skipBad = false,
    colorProfiles = 'ignore',
  } = options;
  await makeFolder(out);
  const hash = createHash('sha256').update(
    // Version 0.2 converted profiles.
    JSON.stringify({
      scale,
      quality,
      perShard,
      skipBad,
      ...(colorProfiles === 'ignore' && { colorProfiles }),
    }),
  );
  for (const { name, source } of splits) hash.update(`${name} ${await source.fingerprint()}\n`);
  const key = hash.digest('hex');
  const path = recordPath(out);
  if (!existsSync(path)) {
    return {
      format: 'verydeep pack 1',
      key,
      colorProfiles,
      classes: [...splits[0]!.source.classes],
      shards: [],
    };
  }
  const text = (await readBytes(path)).toString();
  let found: PackRecord;
  try {
    found = recordSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(`${path} is damaged (${messageOf(error)}); delete ${out} and pack again`, {
      cause: error,
    });
  }
  if (found.key === key) return found;
  throw new UserError(
    `${out} has shards of other images or options; choose another folder or delete this one`,
  );
}

function recordPath(out: string): string {
  return join(out, 'pack.json');
}

function saveRecord(out: string, record: PackRecord): Promise<void> {
  return writeFileAtomically(recordPath(out), `${JSON.stringify(record, undefined, 1)}\n`);
}

async function isThere(out: string, file: string, { shards }: PackRecord): Promise<boolean> {
  const known = shards.find(({ name }) => name === file);
  if (!known) return false;
  if (known.images === 0) return true;
  return (await ifExists(stat(join(out, file))))?.size === known.bytes;
}

interface ShardRequest {
  readonly file: string;
  readonly source: ImageSource;
  readonly first: number;
  readonly count: number;
}

async function packShard(
  { file, source, first, count }: ShardRequest,
  { out, scale = 512, quality = 95, skipBad, maxPixels, colorProfiles, signal, onNote }: PackOptions,
  onImage: (done: number) => void,
): Promise<ShardRecord> {
  let done = 0;
  let rescaled = 0;
  const bad: string[] = [];
  const indexes = Array.from({ length: count }, (_, i) => first + i);
  const packed = await mapConcurrently(indexes, defaultConcurrency, async (index) => {
    signal?.throwIfAborted();
    try {
      const image = await packImage(source, index, { scale, quality, maxPixels, colorProfiles });
      rescaled += Number(image.rescaled);
      const key = String(index).padStart(8, '0');
      const { bytes, extension } = image;
      return { key, extension, image: bytes, label: source.label(index) } satisfies ShardSample;
    } catch (error) {
      if (!skipBad || !(error instanceof UserError)) throw error;
      onNote?.(`left out: ${error.message}`);
      bad.push(source.imageName(index));
      return undefined;
    } finally {
      onImage(++done);
    }
  });
  const samples = packed.filter((sample) => sample !== undefined);
  const bytes = samples.length === 0 ? 0 : await writeShard(join(out, file), samples);
  return { name: file, images: samples.length, rescaled, bytes, bad };
}

/** Writes the classes in label order, and their display names if they are synsets. */
async function writeClasses(out: string, { classes, labels }: ImageSource): Promise<void> {
  if (classes.length === 0) return;
  await writeFileAtomically(join(out, 'classes.txt'), `${classes.join('\n')}\n`);
  if (labels.every((label, i) => label === classes[i])) return;
  const words = classes.map((name, i) => `${name} ${labels[i]}\n`);
  await writeFileAtomically(join(out, 'synset_words.txt'), words.join(''));
}

function summary(split: string, { shards }: PackRecord): PackedSplit {
  const own = shards.filter(({ name }) => name.startsWith(`${split}-`));
  const sum = (value: (shard: ShardRecord) => number) => own.reduce((all, shard) => all + value(shard), 0);
  return {
    split,
    shards: own.filter(({ images }) => images > 0).length,
    images: sum(({ images }) => images),
    rescaled: sum(({ rescaled }) => rescaled),
    bad: sum(({ bad }) => bad.length),
    bytes: sum(({ bytes }) => bytes),
  };
}
