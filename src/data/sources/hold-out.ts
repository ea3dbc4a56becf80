/** Holds out validation images from a data set without a validation split. Nothing here needs Node. */
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';

/** Numbers of images, ascending. */
export interface Holdout {
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Holds out a share of each class, determined by the seed. A class keeps at least one training image; one with two
 * images or more has at least one validation image. The total is the share of all images, as far as that allows.
 * @param labels class number of each image
 * @param share of all images, above 0 and below 1
 * @returns undefined if no class has two images
 */
export function holdOut(labels: Int32Array, share: number, seed: number): Holdout | undefined {
  const byClass = imagesByClass(labels);
  const counts = shareByClass(
    byClass.map((images) => images.length),
    share,
  );
  const held = new Uint8Array(labels.length);
  byClass.forEach((images, label) => {
    const order = permutation(images.length, deriveKeys(keyOfSeed(seed), 'hold-out by class', label));
    for (const at of order.subarray(0, counts[label])) held[images[at]!] = 1;
  });
  return partition(held);
}

/**
 * The rule of the versions before hold-outs by class, for runs and models of those: the share of all images, whatever
 * their classes.
 * @returns undefined if that would leave no image for training
 */
export function holdOutOfAll(images: number, share: number, seed: number): Holdout | undefined {
  const order = permutation(images, deriveKeys(keyOfSeed(seed), 'holdout'));
  const held = new Uint8Array(images);
  for (const image of order.subarray(0, Math.max(1, Math.round(images * share)))) held[image] = 1;
  return partition(held);
}

/** @returns undefined if one of the parts would be empty */
function partition(held: Uint8Array): Holdout | undefined {
  const numbers = (wanted: number) => Uint32Array.from(held.keys()).filter((image) => held[image] === wanted);
  const [training, validation] = [numbers(0), numbers(1)];
  return training.length > 0 && validation.length > 0 ? { training, validation } : undefined;
}

function imagesByClass(labels: Int32Array): number[][] {
  const byClass: number[][] = [];
  labels.forEach((label, image) => {
    byClass[label] ??= [];
    byClass[label].push(image);
  });
  return Array.from(byClass, (images) => images ?? []);
}

/** How many images each class gives: its share rounded down, then one more where rounding took most, up to the total. */
function shareByClass(sizes: readonly number[], share: number): number[] {
  const least = (size: number): number => Math.min(1, size - 1);
  const counts = sizes.map((size) =>
    size === 0 ? 0 : Math.min(size - 1, Math.max(least(size), Math.floor(size * share))),
  );
  const total = Math.round(share * sizes.reduce((sum, size) => sum + size, 0));
  const lost = sizes.map((size, label) => size * share - counts[label]!);
  const order = [...sizes.keys()].sort((a, b) => lost[b]! - lost[a]! || a - b);
  let missing = total - counts.reduce((sum, count) => sum + count, 0);
  for (const label of order) {
    if (missing <= 0 || lost[label]! <= 0) break;
    if (counts[label]! + 1 < sizes[label]!) {
      counts[label]!++;
      missing--;
    }
  }
  return counts;
}
