import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  deriveKey,
  deriveKeys,
  type Key,
  keyOfSeed,
  permutation,
  RandomStream,
  threefry2x32,
} from '../../../src/core/random.ts';
import { ascending, range } from '../../support/lists.ts';

const FIXED = { seed: 20140904 };

/** Mean of f over `count` draws of a new stream. */
function mean(count: number, draw: (random: RandomStream) => number, seed = 1): number {
  const random = new RandomStream(keyOfSeed(seed));
  let sum = 0;
  for (let i = 0; i < count; i++) sum += draw(random);
  return sum / count;
}

/** Σ (observed − expected)² / expected for equally likely outcomes. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('threefry2x32', () => {
  // kat_vectors of Random123, the authors' own library.
  const known: readonly { key: Key; counter: [number, number]; bits: [number, number] }[] = [
    { key: [0, 0], counter: [0, 0], bits: [0x6b200159, 0x99ba4efe] },
    { key: [~0 >>> 0, ~0 >>> 0], counter: [~0 >>> 0, ~0 >>> 0], bits: [0x1cb996fc, 0xbb002be7] },
    { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], bits: [0xc4923a9c, 0x483df7a0] },
  ];
  for (const { key, counter, bits } of known) {
    it(`known answer ${bits.map((word) => word.toString(16)).join(' ')}`, () => {
      assert.deepEqual([...threefry2x32(key, ...counter)], bits);
    });
  }
});

describe('keys', () => {
  it('accept any safe integer as a seed', () => {
    const seeds = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -1, -(2 ** 53 - 1)];
    assert.equal(new Set(seeds.map((seed) => keyOfSeed(seed).join())).size, seeds.length);
    assert.deepEqual(keyOfSeed(2 ** 32 + 5), [5, 1]);
  });

  it('are the same numbers as in tools/golden_random.py', () => {
    const key = deriveKeys(keyOfSeed(1409155600000), 'epoch', 3, 'image', 2 ** 33 + 1);
    assert.deepEqual([...key], [4209023414, 2377681770]);
    assert.deepEqual([...deriveKey([0, 0], 'conv1_1.weight')], [1089684368, 2085479591]);
    assert.deepEqual([...deriveKey([0, 0], 0)], [1797259609, 2579123966]);
    assert.deepEqual([...deriveKey([0, 0], '')], [917456828, 636652529]);
  });

  it('differ by purpose and by order', () => {
    const key = keyOfSeed(1);
    const single = ['a', 'b', 'ab', 0, 1, '0', ''].map((purpose) => [purpose]);
    const purposes: (number | string)[][] = [...single, ['a', 'b'], ['b', 'a'], []];
    const derived = purposes.map((purpose) => deriveKeys(key, ...purpose).join());
    assert.equal(new Set(derived).size, purposes.length);
  });

  it('do not depend on earlier draws', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), fc.nat(), (seed, name, number) => {
        const derive = () => deriveKeys(keyOfSeed(seed), name, number);
        const before = derive();
        new RandomStream(before).normal();
        assert.deepEqual(derive(), before);
      }),
      FIXED,
    );
  });
});

describe('RandomStream', () => {
  it('gives the same numbers as tools/golden_random.py, which resumed runs rely on', () => {
    const words = new RandomStream(keyOfSeed(0));
    const goldenWords = [1797259609, 2579123966, 1351547692, 3235790642, 1688610540, 4229293427];
    for (const expected of goldenWords) assert.equal(words.word(), expected);
    const normals = new RandomStream(keyOfSeed(0));
    const goldenNormals = [
      -0.4116069057099757, 0.9564104037503305, -0.17882175885752383, -0.9833635853298144,
    ];
    for (const expected of goldenNormals) {
      // Libraries' logarithms and sines may differ in the last bit.
      assert.ok(Math.abs(normals.normal() - expected) < 1e-15);
    }
  });

  it('keeps its order when draws of different kinds are mixed', () => {
    const draw = () => {
      const random = new RandomStream(keyOfSeed(5));
      const first = [random.word(), random.normal(), random.uniform()];
      return [...first, random.below(10), random.normal(), random.word()];
    };
    assert.deepEqual(draw(), draw());
    // The spare word of the first draw is the second's first.
    const random = new RandomStream(keyOfSeed(0));
    random.word();
    assert.equal(random.uniform(), ((2579123966 >>> 5) * 2 ** 26 + (1351547692 >>> 6)) / 2 ** 53);
  });

  // Bounds are five standard errors, and the seed is fixed.
  const count = 200_000;
  const near = (draw: (random: RandomStream) => number, expected: number, deviation: number) => {
    const actual = mean(count, draw);
    const bound = (5 * deviation) / Math.sqrt(count);
    assert.ok(Math.abs(actual - expected) < bound, `${actual} is not within ${bound} of ${expected}`);
  };

  it('uniform: range and moments', () => {
    const uniform = (random: RandomStream) => {
      const u = random.uniform();
      assert.ok(u >= 0 && u < 1);
      return u;
    };
    near(uniform, 1 / 2, Math.sqrt(1 / 12));
    near((random) => (random.uniform() - 0.5) ** 2, 1 / 12, Math.sqrt(1 / 180));
    near((random) => (random.uniform() - 0.5) * (random.uniform() - 0.5), 0, 1 / 12);
  });

  it('normal: moments, and no correlation of neighbors', () => {
    near((random) => random.normal(), 0, 1);
    near((random) => random.normal() ** 2, 1, Math.sqrt(2));
    near((random) => random.normal() ** 3, 0, Math.sqrt(15));
    near((random) => random.normal() ** 4, 3, Math.sqrt(96));
    near((random) => random.normal() * random.normal(), 0, 1);
    near((random) => Number(Math.abs(random.normal()) > 1.959964), 0.05, Math.sqrt(0.0475));
  });

  it('below: every outcome equally often', () => {
    for (const bound of [1, 2, 3, 7, 10]) {
      const random = new RandomStream(keyOfSeed(bound));
      const counts = new Array<number>(bound).fill(0);
      for (let i = 0; i < 20_000; i++) counts[random.below(bound)]!++;
      // The 99.99 % point for 9 degrees of freedom is 33.7; for fewer it is lower.
      assert.ok(chiSquare(counts) < 33.7);
    }
    const words = new RandomStream(keyOfSeed(3));
    const same = new RandomStream(keyOfSeed(3));
    for (let i = 0; i < 5; i++) assert.equal(same.below(2 ** 32), words.word());
  });
});

describe('permutation', () => {
  it('contains each number once and depends only on the key', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.maxSafeInteger(), (count, seed) => {
        const order = permutation(count, keyOfSeed(seed));
        assert.deepEqual(ascending(order), range(count));
        assert.deepEqual(permutation(count, keyOfSeed(seed)), order);
      }),
      FIXED,
    );
  });

  it('gives every order equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 12_000; seed++) {
      const order = permutation(3, deriveKey(keyOfSeed(9), seed)).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    assert.equal(counts.size, 6);
    // The 99.99 % point for 5 degrees of freedom.
    assert.ok(chiSquare([...counts.values()]) < 25.7);
  });

  it('differs from epoch to epoch', () => {
    const key = keyOfSeed(1);
    assert.notDeepEqual(permutation(50, deriveKey(key, 0)), permutation(50, deriveKey(key, 1)));
  });
});
