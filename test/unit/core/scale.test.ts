import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '../../../src/core/errors.ts';
import { formatTrainScale, parseTrainScale, testScaleFor } from '../../../src/core/scale.ts';

describe('training scales (section 3.1)', () => {
  it('are a number or a range, and are formatted as they are parsed', () => {
    assert.deepEqual(parseTrainScale('256'), { min: 256, max: 256 });
    assert.deepEqual(parseTrainScale(384), { min: 384, max: 384 });
    assert.deepEqual(parseTrainScale('256..512'), { min: 256, max: 512 });
    for (const text of ['256', '256..512']) assert.equal(formatTrainScale(parseTrainScale(text)), text);
  });

  it('refuse anything else', () => {
    for (const text of ['', '0', '-256', '512..256', '256..', '256-512', 'large', '25.6']) {
      assert.throws(() => parseTrainScale(text), UsageError);
    }
  });

  it('have one test scale: S, or the middle of the range (section 4.1)', () => {
    assert.equal(testScaleFor({ min: 384, max: 384 }), 384);
    assert.equal(testScaleFor({ min: 256, max: 512 }), 384);
  });
});
