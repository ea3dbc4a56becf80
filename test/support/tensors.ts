import assert from 'node:assert/strict';
import { deriveKeys, keyOfSeed, RandomStream } from '../../src/core/random.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';

/** Normally distributed values that depend only on the seed and the shape. */
export function randomTensor(seed: number, shape: Shape, deviation = 1): Float32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'test', ...shape));
  return Float32Array.from({ length: elementCount(shape) }, () => deviation * random.normal());
}

/**
 * The numbers spacing, 2 · spacing, … and their negatives, shuffled. All are at least `spacing` apart and from 0, so
 * that a small step crosses neither ReLU's kink nor a tie in max pooling.
 */
export function spacedTensor(seed: number, shape: Shape, spacing: number): Float32Array {
  const count = elementCount(shape);
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'spaced'));
  const values = Float32Array.from({ length: count }, (_, i) =>
    i % 2 ? spacing * (i + 1) * 0.5 : -spacing * (i + 2) * 0.5,
  );
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

/** Random dropout keys, two words per image. */
export function dropoutKeysFor(images: number, seed = 7): Uint32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'dropout keys'));
  return Uint32Array.from({ length: 2 * images }, () => random.word());
}

/** The largest difference, as a fraction of the largest expected value, and its index. */
export function largestDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): { difference: number; index: number } {
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  let difference = 0;
  let index = 0;
  for (let i = 0; i < expected.length; i++) {
    const here = Math.abs(actual[i]! - expected[i]!);
    // Written so that NaN counts as the largest difference.
    if (!(here <= difference)) {
      difference = here;
      index = i;
      if (Number.isNaN(here)) return { difference: Number.NaN, index };
    }
  }
  return { difference: difference / (scale || 1), index };
}

/** The length (√Σ x²) of the difference, relative to that of the expected tensor. */
export function relativeLength(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, length] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    length += expected[i]! ** 2;
  }
  return Math.sqrt(difference / (length || 1));
}

/**
 * @param tolerance the largest difference allowed, as a fraction of the largest expected value
 * @throws AssertionError that names the tensor, the difference and the index
 */
export function assertClose(
  what: string,
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assert.ok(actual, `${what} is missing`);
  assert.equal(actual.length, expected.length, `${what} has ${actual.length} values, not ${expected.length}`);
  const { difference, index } = largestDifference(actual, expected);
  assert.ok(
    difference <= tolerance,
    `${what}[${index}] is ${actual[index]}, not ${expected[index]}: off by ${difference.toExponential(2)} of the largest value, allowed ${tolerance}`,
  );
}
