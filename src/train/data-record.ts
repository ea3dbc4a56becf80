/**
 * What a run remembers of its data set, so that it continues after the data was moved or copied, and repeats after images
 * were lost: the names, labels and part of the contents of its images, their mean and color axes, and the unreadable ones.
 *
 * Names and labels are compared in full. Contents are compared only if the quick fingerprint (sizes and times) differs,
 * and then of a sample: at most 2048 images and 1 GiB, drawn from the whole set, the same each time. Smaller data sets
 * are compared in full.
 */
import { join, relative } from 'node:path';
import { z } from 'zod';
import { defaultConcurrency, mapConcurrently } from '../core/concurrency.ts';
import { UserError } from '../core/errors.ts';
import { withSlashes } from '../core/paths.ts';
import { alone, type Team } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import { contentHashOf } from '../data/sources/content-hash.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { colorAxesSchema } from '../data/training/given-colors.ts';
import type { Recipe } from './recipe.ts';

const rgb = z.tuple([z.number(), z.number(), z.number()]).readonly();
const badImages = z.array(z.object({ index: z.int(), message: z.string() })).readonly();

const recordedImages = z.object({
  fingerprint: z.string(),
  classes: z.array(z.string()).readonly(),
  /** As paths from the data set's location on. */
  names: z.array(z.string()),
  labels: z.array(z.int()),
  /** Hashes of the first images of `sampleOrder`; empty where an image was unreadable. */
  contents: z.array(z.string()),
});
type RecordedImages = z.infer<typeof recordedImages>;

export const dataRecord = z.object({
  version: z.literal(1),
  /** The training split, before part of it is held out. */
  training: recordedImages,
  /** The validation split, if the data set has one. */
  validation: recordedImages.optional(),
  mean: rgb,
  axes: colorAxesSchema,
  /** Unreadable images that the run leaves out, among its training and validation images. */
  bad: z.object({ training: badImages, validation: badImages }),
});
export type DataRecord = z.infer<typeof dataRecord>;

const SAMPLED_IMAGES = 2048;
const SAMPLED_BYTES = 2 ** 30;

/** Records the images of a source. It reads up to 2048 of them. */
export async function recordImages(source: ImageSource): Promise<RecordedImages> {
  const numbers = Array.from({ length: source.length }, (_, i) => i);
  return {
    fingerprint: await source.fingerprint(),
    classes: source.classes,
    names: numbers.map((i) => nameIn(source, i)),
    labels: numbers.map((i) => source.label(i)),
    contents: await hashSample(source, sampleOrder(source.length)),
  };
}

/** Images in the order in which contents are compared, which depends only on their number. */
function sampleOrder(count: number): Uint32Array {
  return permutation(count, deriveKeys(keyOfSeed(0), 'contents')).slice(0, SAMPLED_IMAGES);
}

async function hashSample(source: ImageSource, images: Uint32Array): Promise<string[]> {
  const hashes: string[] = [];
  let bytes = 0;
  const group = 4 * defaultConcurrency;
  for (let from = 0; from < images.length && bytes < SAMPLED_BYTES; from += group) {
    const found = await mapConcurrently(
      [...images.subarray(from, from + group)],
      defaultConcurrency,
      (image) => contentHashOf(source, image),
    );
    for (const content of found) {
      hashes.push(content?.hash ?? '');
      bytes += content?.bytes ?? 0;
    }
  }
  return hashes;
}

function nameIn(source: ImageSource, index: number): string {
  const name = source.imageName(index);
  const folder = `${withSlashes(source.location)}/`;
  // The usual case, a million times.
  return name.startsWith(folder) ? name.slice(folder.length) : withSlashes(relative(source.location, name));
}

/**
 * The images that a run was started with, in their order, wherever they are now.
 * @param source the data set as it is now
 * @param options.skipBad whether images may be missing; reading one of these fails
 * @param options.contents whether to compare contents too
 * @returns a source with the fingerprint of the recorded one
 * @throws UserError naming what differs
 */
export async function findRecorded(
  source: ImageSource,
  recorded: RecordedImages,
  { skipBad, contents }: { skipBad: boolean; contents: boolean },
): Promise<ImageSource> {
  const now = new Map(Array.from({ length: source.length }, (_, i) => [nameIn(source, i), i]));
  const indices = Int32Array.from(recorded.names, (name) => now.get(name) ?? -1);
  checkNames(source, recorded, indices, { skipBad });
  const found = rearranged(source, recorded, indices);
  if (contents && (await source.fingerprint()) !== recorded.fingerprint) await checkContents(found, recorded);
  return found;
}

/**
 * The images of an earlier session, if there was one. Only one rank compares their contents.
 * @throws UserError as `findRecorded` does.
 */
export async function asRecorded(
  source: ImageSource,
  recorded: RecordedImages | undefined,
  { recipe, team = alone }: { readonly recipe: Recipe; readonly team?: Team },
): Promise<ImageSource> {
  if (recorded === undefined) return source;
  return findRecorded(source, recorded, { skipBad: recipe['skip-bad'], contents: team.rank === 0 });
}

function checkNames(
  source: ImageSource,
  { classes, names, labels }: RecordedImages,
  indices: Int32Array,
  { skipBad }: { skipBad: boolean },
): void {
  const faults: string[] = [];
  for (const name of differing(classes, source.classes)) faults.push(`it has no class "${name}"`);
  for (const name of differing(source.classes, classes)) faults.push(`it has a new class "${name}"`);
  if (faults.length === 0) {
    const missing = names.filter((_, i) => indices[i] === -1);
    if (missing.length > 0 && !skipBad) {
      faults.push(`${countOf(missing)} missing (${missing[0]}; --skip-bad continues without)`);
    }
    const known = new Set(names);
    const added = Array.from({ length: source.length }, (_, i) => nameIn(source, i)).filter(
      (name) => !known.has(name),
    );
    if (added.length > 0) faults.push(`${countOf(added)} new (${added[0]})`);
    const moved = names.filter((_, i) => indices[i]! >= 0 && source.label(indices[i]!) !== labels[i]);
    if (moved.length > 0) faults.push(`${countOf(moved)} of another class (${moved[0]})`);
    if (missing.length === names.length) faults.push('none of its images is left');
  }
  if (faults.length > 0) throw changed(source, faults.slice(0, 3).join(', '));
}

function differing(some: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return some.filter((name) => !known.has(name));
}

function countOf(images: readonly string[]): string {
  return images.length === 1 ? 'an image is' : `${images.length} images are`;
}

function changed({ location }: ImageSource, what: string): UserError {
  return new UserError(
    `the images in ${location} are not those that the run was started with: ${what}; restore the data set, or start a new run with --from`,
  );
}

async function checkContents(found: ImageSource, { contents }: RecordedImages): Promise<void> {
  const images = sampleOrder(found.length).subarray(0, contents.length);
  const hashes = await hashSample(found, images);
  // An image that cannot be read is reported where it is needed.
  const other = [...images].filter((_, i) => hashes[i] && contents[i] && hashes[i] !== contents[i]);
  if (other.length === 0) return;
  const compared = `${other.length} of ${images.length} compared`;
  throw changed(found, `${nameIn(found, other[0]!)} has other contents (${compared})`);
}

/** The images in the recorded order; −1 stands for a missing one. */
function rearranged(
  source: ImageSource,
  { fingerprint, names, labels }: RecordedImages,
  indices: Int32Array,
): ImageSource {
  const imageName = (index: number) =>
    indices[index]! < 0 ? join(source.location, names[index]!) : source.imageName(indices[index]!);
  return {
    ...source,
    length: indices.length,
    label: (index) => labels[index]!,
    imageName,
    boxes: source.boxes && ((index, size) => source.boxes!(indices[index]!, size)),
    read: async (index) => {
      if (indices[index]! >= 0) return source.read(indices[index]!);
      throw new UserError(`${imageName(index)} is missing`);
    },
    fingerprint: async () => fingerprint,
  };
}
