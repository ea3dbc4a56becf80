import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { holdOut, holdOutOfAll } from '../../../../src/data/sources/hold-out.ts';
import { range } from '../../../support/lists.ts';

/** Labels of classes with these numbers of images, class by class. */
const labelsOf = (...sizes: readonly number[]) =>
  Int32Array.from(sizes.flatMap((size, label) => range(size).map(() => label)));

const countsOf = (labels: Int32Array, images: Uint32Array, classes: number) =>
  range(classes).map((label) => images.filter((image) => labels[image] === label).length);

describe('the hold-out', () => {
  it('takes its share of each class, and of all images in total', () => {
    const labels = labelsOf(37, 37, 36);
    const { validation } = holdOut(labels, 0.1, 1)!;
    assert.deepEqual(countsOf(labels, validation, 3), [4, 4, 3]);
  });

  it('leaves each class a training image, and a validation image where it has two', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
    const share = fc.double({ min: 0.01, max: 0.95, noNaN: true });
    fc.assert(
      fc.property(sizes, share, fc.integer({ min: 0, max: 99 }), (sizes, share, seed) => {
        const labels = labelsOf(...sizes);
        const parts = holdOut(labels, share, seed);
        if (!parts) return assert.ok(sizes.every((size) => size === 1));
        const all = [...parts.training, ...parts.validation].sort((a, b) => a - b);
        assert.deepEqual(all, range(labels.length));
        const held = countsOf(labels, parts.validation, sizes.length);
        const least = sizes.map((size) => Math.min(size - 1, Math.max(1, Math.floor(size * share))));
        const total = Math.round(share * labels.length);
        for (const [label, size] of sizes.entries()) {
          assert.ok(held[label]! < size && held[label]! >= Math.min(1, size - 1));
          if (size > 1) assert.ok(Math.abs(held[label]! - size * share) <= 1 || held[label] === 1);
        }
        assert.ok(
          parts.validation.length <=
            Math.max(
              total,
              least.reduce((a, b) => a + b),
            ),
        );
        assert.deepEqual(holdOut(labels, share, seed), parts);
      }),
    );
  });

  it('depends on the seed', () => {
    const labels = labelsOf(30, 30);
    assert.notDeepEqual(holdOut(labels, 0.1, 1), holdOut(labels, 0.1, 2));
  });

  it('of older versions is as it was', () => {
    assert.deepEqual([...holdOutOfAll(24, 0.1, 1)!.validation], [12, 13]);
    const held = [23, 60, 66, 76, 81, 82, 90, 102, 103, 105, 108];
    assert.deepEqual([...holdOutOfAll(110, 0.1, 7)!.validation], held);
    assert.equal(holdOutOfAll(1, 0.1, 1), undefined);
  });
});
