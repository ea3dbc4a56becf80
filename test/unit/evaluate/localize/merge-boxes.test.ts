import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { overlapOf } from '../../../../src/core/boxes.ts';
import { mergeBoxes, type ScoredBox } from '../../../../src/evaluate/localize/merge-boxes.ts';

function scored(left: number, score: number): ScoredBox {
  return { box: { left, top: 0, right: left + 10, bottom: 10 }, score };
}

describe('greedy merging of boxes', () => {
  it('averages close boxes, adds their scores, and leaves distant ones', () => {
    const [first, second] = mergeBoxes([scored(0, 0.4), scored(50, 0.7), scored(2, 0.5)]);
    assert.deepEqual(first, { box: { left: 1, top: 0, right: 11, bottom: 10 }, score: 0.9, members: 2 });
    assert.deepEqual(second, scored(50, 0.7));
  });

  it('gives each of several members the same weight', () => {
    const [merged] = mergeBoxes([scored(0, 1), scored(1, 1), scored(3, 1)]);
    assert.equal(merged!.members, 3);
    assert.ok(Math.abs(merged!.box.left - 4 / 3) < 1e-12);
  });

  it('ends with boxes that do not match, keeps all scores and members', () => {
    const boxes = fc.array(
      fc.tuple(fc.nat(20), fc.nat(20), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 })),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(boxes, (given) => {
        const all = given.map(([left, top, width, height]) => ({
          box: { left, top, right: left + width, bottom: top + height },
          score: 1,
        }));
        const merged = mergeBoxes(all);
        assert.equal(
          merged.reduce((sum, { score }) => sum + score, 0),
          all.length,
        );
        assert.equal(
          merged.reduce((sum, { members = 1 }) => sum + members, 0),
          all.length,
        );
        for (const [i, a] of merged.entries()) {
          for (const b of merged.slice(i + 1)) assert.ok(overlapOf(a.box, b.box) < 0.5);
        }
      }),
    );
  });
});
