import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkAlive, checkFinite, isFlat, LogitRange, remedyFor } from '../../../src/train/divergence.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { userError } from '../../support/refused.ts';

const recipe = resolveRecipe({ init: 'gaussian' });
const health = { iteration: 7, meanLoss: Math.log(10), learningRate: 0.01 };

describe('the health of training', () => {
  for (const meanLoss of [Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`stops at a loss of ${meanLoss} with advice`, () => {
      const check = () => checkFinite({ ...health, meanLoss }, recipe);
      assert.throws(check, userError(/not finite at iteration 7 .*--init he/));
    });
  }

  it('calls a network flat only when loss and logits both are', () => {
    assert.ok(isFlat(Math.log(10), 0, 10));
    assert.ok(!isFlat(Math.log(10), 0.5, 10));
    assert.ok(!isFlat(2, 0, 10));
  });

  it('stops a dead network after the window, and never without one', () => {
    checkAlive(99, 100, 10, recipe);
    checkAlive(1e6, 0, 10, recipe);
    assert.throws(() => checkAlive(100, 100, 10, recipe), userError(/not learning.*--init he/));
  });

  it('advises by the rate and the initialization', () => {
    const remedies = [
      [{ lr: 0.02 }, /lower --lr to 0\.01/],
      [{ lr: 0.02, batch: 16 }, /lower --lr to 0\.0025/],
      [{ lr: 0.01, batch: 512, 'lr-reference-batch': 256 }, /lower --lr to 0\.01/],
      [{ lr: 0.02, init: 'gaussian' }, /--init he or --init glorot, and lower --lr to 0\.01/],
      [{ lr: 0.001, init: 'gaussian' }, /--init he/],
      [{ lr: 0.001 }, /raise --lr to 0\.01/],
      [{}, /more epochs, or start from a trained network/],
    ] as const;
    for (const [keys, remedy] of remedies)
      assert.match(remedyFor(resolveRecipe(keys), 'does not learn'), remedy);
    assert.match(remedyFor(resolveRecipe({}), 'diverges'), /lower --lr to 0\.005/);
  });

  it('measures the spread of logits between images, class by class', () => {
    const range = new LogitRange(2);
    assert.equal(range.spread, 0);
    range.include(Float32Array.of(1, 5, 2, 5));
    range.include(Float32Array.of(4, 5));
    assert.equal(range.spread, 3);
    const same = new LogitRange(2);
    same.include(Float32Array.from(range.extremes()));
    assert.equal(same.spread, 3);
  });
});
