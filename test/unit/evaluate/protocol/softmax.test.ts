import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { averageOverPositions } from '../../../../src/evaluate/protocol/dense-score-map.ts';
import { meanOf, softmax, topClasses } from '../../../../src/evaluate/protocol/softmax.ts';

describe('posteriors', () => {
  it('sum to 1, in the order of the logits, however large those are', () => {
    const logits = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
      minLength: 2,
      maxLength: 40,
    });
    fc.assert(
      fc.property(logits, (values) => {
        const posteriors = softmax(values);
        const sum = posteriors.reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 1) < 1e-12, `the sum is ${sum}`);
        const best = values.indexOf(Math.max(...values));
        assert.equal(posteriors[best], Math.max(...posteriors));
      }),
    );
  });

  it('are averaged', () => {
    const mean = meanOf([Float64Array.of(1, 0), Float64Array.of(0.5, 0.5)]);
    assert.deepEqual([...mean], [0.75, 0.25]);
  });

  it('rank the classes, the lower number first among equals', () => {
    assert.deepEqual(topClasses([0.2, 0.3, 0.2, 0.3], 3), [
      { index: 1, probability: 0.3 },
      { index: 3, probability: 0.3 },
      { index: 0, probability: 0.2 },
    ]);
  });
});

describe('a score map', () => {
  it('is averaged over positions, class by class', () => {
    // [2 classes, 2, 3]
    const map = Float32Array.of(1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 3);
    assert.deepEqual([...averageOverPositions(map, 2)], [3.5, 0.5]);
  });
});
