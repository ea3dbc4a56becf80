import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Sampler, sliceBatch } from '../../../../src/data/training/sampler.ts';
import { ascending, range } from '../../../support/lists.ts';

describe('Sampler', () => {
  it('uses every image once in each epoch, in full batches that continue into the next epoch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 25 }),
        fc.boolean(),
        (count, batch, shuffle) => {
          const sampler = new Sampler({ count, batch, seed: 5, shuffle });
          const shown = new Map<number, number[]>();
          for (const { images, epochs } of sampler.batches(0, Math.ceil((3 * count) / batch))) {
            assert.equal(images.length, batch);
            images.forEach((image, i) => {
              const epoch = epochs[i]!;
              shown.set(epoch, [...(shown.get(epoch) ?? []), image]);
            });
          }
          const all = range(count);
          for (const epoch of [0, 1, 2]) {
            assert.deepEqual(ascending(shown.get(epoch)!), all);
            if (!shuffle) assert.deepEqual(shown.get(epoch), all);
          }
        },
      ),
    );
  });

  it('gives any batch without computing those before it', () => {
    const options = { count: 37, batch: 8, seed: 11, shuffle: true };
    const all = [...new Sampler(options).batches(0, 30)];
    for (const start of [29, 4, 17, 5]) assert.deepEqual(new Sampler(options).batch(start), all[start]);
    assert.deepEqual([...new Sampler(options).batches(12, 15)], all.slice(12, 15));
  });

  it('has a different order for a different epoch or seed', () => {
    const of = (seed: number, epoch: number) =>
      new Sampler({ count: 100, batch: 1, seed, shuffle: true }).order(epoch).join();
    assert.notEqual(of(1, 0), of(1, 1));
    assert.notEqual(of(1, 0), of(2, 0));
    assert.equal(of(1, 3), of(1, 3));
  });

  it('slices batches for ranks and micro-batches', () => {
    const batch = new Sampler({ count: 10, batch: 6, seed: 1, shuffle: true }).batch(1);
    const parts = [sliceBatch(batch, 0, 2), sliceBatch(batch, 2, 6)];
    for (const field of ['images', 'epochs'] as const) {
      const joined = parts.flatMap((part) => [...part[field]]);
      assert.deepEqual(joined, [...batch[field]]);
    }
  });

  it('needs images and a batch size', () => {
    assert.throws(() => new Sampler({ count: 0, batch: 1, seed: 1, shuffle: true }), RangeError);
    assert.throws(() => new Sampler({ count: 1, batch: 0, seed: 1, shuffle: true }), RangeError);
  });
});
