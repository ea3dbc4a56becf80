import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Box, boxFrom, boxTarget, overlapOf, scaledBox } from '../../../src/core/boxes.ts';

const box = fc
  .tuple(fc.nat(100), fc.nat(100), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }))
  .map(([left, top, width, height]): Box => ({ left, top, right: left + width, bottom: top + height }));
const window = fc.record({
  left: fc.integer({ min: -50, max: 50 }),
  top: fc.integer({ min: -50, max: 50 }),
  size: fc.integer({ min: 1, max: 224 }),
  flip: fc.boolean(),
});

function assertSame(actual: Box, expected: Box): void {
  for (const edge of ['left', 'top', 'right', 'bottom'] as const) {
    assert.ok(
      Math.abs(actual[edge] - expected[edge]) < 1e-9,
      `${edge} ${actual[edge]}, not ${expected[edge]}`,
    );
  }
}

describe('boxes', () => {
  it('are center and size in half sides of the crop, from its center', () => {
    const crop = { left: 10, top: 20, size: 100 };
    assert.deepEqual(boxTarget({ left: 60, top: 20, right: 110, bottom: 120 }, crop), [0.5, 0, 1, 2]);
    assert.deepEqual(
      boxTarget({ left: 60, top: 20, right: 110, bottom: 120 }, { ...crop, flip: true }),
      [-0.5, 0, 1, 2],
    );
  });

  it('are what their numbers state, in any window, also in a map of positions', () => {
    fc.assert(
      fc.property(box, window, fc.nat(3), fc.nat(4), (given, crop, number, position) => {
        const stride = 5;
        const values = new Float64Array(16 * stride).fill(Number.NaN);
        for (const [j, value] of boxTarget(given, crop).entries())
          values[(4 * number + j) * stride + position] = value;
        assertSame(boxFrom(values, crop, number, stride, position), given);
      }),
    );
  });

  it('of the mirror image are the mirror images of boxes', () => {
    fc.assert(
      fc.property(box, window, (given, { left, top, size }) => {
        const mirrored = {
          ...given,
          left: 2 * left + size - given.right,
          right: 2 * left + size - given.left,
        };
        const [flipped, straight] = [
          boxTarget(given, { left, top, size, flip: true }),
          boxTarget(mirrored, { left, top, size }),
        ];
        for (const [j, value] of flipped.entries()) assert.ok(Math.abs(value - straight[j]!) < 1e-9);
      }),
    );
  });

  it('overlap as much as they share of their union, at every scale', () => {
    assert.equal(
      overlapOf({ left: 0, top: 0, right: 2, bottom: 2 }, { left: 1, top: 1, right: 3, bottom: 3 }),
      1 / 7,
    );
    assert.equal(
      overlapOf({ left: 0, top: 0, right: 2, bottom: 2 }, { left: 2, top: 0, right: 3, bottom: 2 }),
      0,
    );
    assert.equal(
      overlapOf({ left: 1, top: 1, right: 1, bottom: 1 }, { left: 1, top: 1, right: 1, bottom: 1 }),
      0,
    );
    fc.assert(
      fc.property(box, box, (a, b) => {
        const overlap = overlapOf(a, b);
        assert.ok(overlap >= 0 && overlap <= 1);
        assert.equal(overlap, overlapOf(b, a));
        assert.ok(Math.abs(overlap - overlapOf(scaledBox(a, 4, 2), scaledBox(b, 4, 2))) < 1e-12);
      }),
    );
  });
});
