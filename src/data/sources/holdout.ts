import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';

/** Numbers of images, ascending. */
export interface Holdout {
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Chooses images for validation where a data set has none of its own: at least one, by the seed.
 * @param share of all images, above 0 and below 1
 * @returns undefined where that would leave none to train on
 */
export function holdOut(images: number, share: number, seed: number): Holdout | undefined {
  const order = permutation(images, deriveKeys(keyOfSeed(seed), 'holdout'));
  const held = Math.max(1, Math.round(images * share));
  if (held >= images) return undefined;
  return { training: order.slice(held).sort(), validation: order.slice(0, held).sort() };
}
