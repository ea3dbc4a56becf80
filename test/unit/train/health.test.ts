import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkAlive, checkFinite, isFlat, logitSpread } from '../../../src/train/health.ts';

const health = { iteration: 7, meanLoss: Math.log(10), logitSpread: 0, learningRate: 0.01 };

describe('the health of training', () => {
  for (const meanLoss of [Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`stops at a loss of ${meanLoss} and says what to change`, () => {
      assert.throws(() => checkFinite({ ...health, meanLoss }), {
        name: 'UserError',
        message: /not finite at iteration 7 .*lower --lr/,
      });
    });
  }

  it('calls a network flat only when loss and logits both are', () => {
    assert.ok(isFlat(health, 10));
    assert.ok(!isFlat({ ...health, logitSpread: 0.5 }, 10));
    assert.ok(!isFlat({ ...health, meanLoss: 2 }, 10));
  });

  it('stops a dead network after the window, and never without one', () => {
    checkAlive(99, 100, 10);
    checkAlive(1e6, 0, 10);
    assert.throws(() => checkAlive(100, 100, 10), { name: 'UserError', message: /dead.*--init glorot/ });
  });

  it('measures the spread of logits between images, a class at a time', () => {
    assert.equal(logitSpread(Float32Array.of(1, 5, 2, 5, 4, 5), 2), 3);
  });
});
