import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countImage, noCounts, rankOfLabel } from '../../../src/core/classification.ts';

describe('classification', () => {
  it('ranks the true class; ties and NaN count as errors', () => {
    const scores = Float32Array.of(0.1, 0.5, 0.2, 0.2);
    const ranks = [1, 2, 3, 0].map((label) => rankOfLabel(scores, label));
    assert.deepEqual(ranks, [0, 2, 2, 3]);
    assert.equal(rankOfLabel(Float32Array.of(Number.NaN, 1, Number.NaN), 1), 2);
    assert.equal(rankOfLabel(Float32Array.of(1, Number.NaN), 1), 1);
  });

  it('counts top-1 and top-5 errors', () => {
    const counts = noCounts();
    const scores = Float32Array.of(7, 6, 5, 4, 3, 2, 1);
    for (const label of [0, 1, 4, 5, 6]) countImage(counts, scores, label, 0.5);
    assert.deepEqual(counts, { images: 5, top1Errors: 4, top5Errors: 2, lossSum: 2.5 });
  });
});
