import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { centerCrops, gridCrops, gridPositions } from '../../../../src/evaluate/protocol/crop-grid.ts';
import { pluck } from '../../../support/lists.ts';

const extents = fc
  .record({ crop: fc.integer({ min: 1, max: 500 }), rest: fc.integer({ min: 0, max: 2000 }) })
  .map(({ crop, rest }) => ({ crop, extent: crop + rest }));

describe('the 5×5 grid', () => {
  it('has these positions', () => {
    assert.deepEqual(gridPositions(256, 224), [0, 8, 16, 24, 32]);
    assert.deepEqual(gridPositions(224, 224), [0, 0, 0, 0, 0]);
    // An odd rest: 117 / 4 = 29.25, 58.5, 87.75; halves go up.
    assert.deepEqual(gridPositions(341, 224), [0, 29, 59, 88, 117]);
    assert.deepEqual(gridPositions(225, 224), [0, 0, 1, 1, 1]);
    assert.deepEqual(gridPositions(226, 224), [0, 1, 1, 2, 2]);
    assert.deepEqual(gridPositions(227, 224), [0, 1, 2, 2, 3]);
  });

  it('reaches from edge to edge in equal steps, to half a pixel', () => {
    fc.assert(
      fc.property(extents, ({ extent, crop }) => {
        const positions = gridPositions(extent, crop);
        assert.equal(positions.length, 5);
        assert.equal(positions[0], 0);
        assert.equal(positions[4], extent - crop);
        for (const [i, position] of positions.entries()) {
          assert.ok(Number.isInteger(position));
          assert.ok(Math.abs(position - (i * (extent - crop)) / 4) <= 0.5);
        }
      }),
    );
  });

  it('gives 25 crops within the image, and 50 with their mirror images', () => {
    fc.assert(
      fc.property(extents, extents, (a, b) => {
        const size = Math.min(a.crop, b.crop);
        const image = { width: a.extent, height: b.extent };
        const crops = gridCrops(image, size, true);
        assert.equal(crops.length, 50);
        assert.equal(crops.filter(({ flip }) => flip).length, 25);
        for (const { left, top } of crops) {
          assert.ok(left >= 0 && left + size <= image.width);
          assert.ok(top >= 0 && top + size <= image.height);
        }
        const plain = crops.filter(({ flip }) => !flip);
        assert.deepEqual(gridCrops(image, size, false), plain);
      }),
    );
  });

  it('goes row by row', () => {
    const crops = gridCrops({ width: 36, height: 40 }, 32, false).slice(0, 6);
    assert.deepEqual(pluck(crops, 'left'), [0, 1, 2, 3, 4, 0]);
    assert.deepEqual(pluck(crops, 'top'), [0, 0, 0, 0, 0, 2]);
  });

  it('does not fit into less than a crop', () => {
    assert.throws(() => gridPositions(223, 224), /a crop of 224 does not fit into 223/);
  });
});

describe('the center', () => {
  it('is one crop, or two with its mirror image', () => {
    assert.deepEqual(centerCrops({ width: 37, height: 40 }, 32, false), [
      { left: 2, top: 4, size: 32, flip: false },
    ]);
    assert.deepEqual(pluck(centerCrops({ width: 37, height: 40 }, 32, true), 'flip'), [false, true]);
  });
});
