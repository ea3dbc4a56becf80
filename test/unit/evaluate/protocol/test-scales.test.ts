import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TORCHVISION_TEST } from '../../../../src/core/image-preparation.ts';
import type { TrainScale } from '../../../../src/core/scale.ts';
import type { Protocol } from '../../../../src/evaluate/protocol/protocol.ts';
import { checkScale, scalesFor } from '../../../../src/evaluate/protocol/test-scales.ts';
import { buildNetwork } from '../../../../src/net/network.ts';
import { userError } from '../../../support/refused.ts';

function model(crop: number, trainScale?: TrainScale) {
  return { network: buildNetwork({ configuration: 'A', classes: 2, crop, width: 0.05 }), trainScale };
}

const fixed = (scale: number): TrainScale => ({ min: scale, max: scale });

describe('test scales', () => {
  it('single: S, or the middle of its range', () => {
    assert.deepEqual(scalesFor(model(224, fixed(384)), undefined, 'm'), [384]);
    assert.deepEqual(scalesFor(model(224, { min: 256, max: 512 }), undefined, 'm'), [384]);
    assert.deepEqual(scalesFor(model(224), undefined, 'm'), [224]);
  });

  it("several, the paper's: S − 32, S, S + 32, or Smin, middle, Smax", () => {
    assert.deepEqual(scalesFor(model(224, fixed(256)), 'auto', 'm'), [224, 256, 288]);
    assert.deepEqual(scalesFor(model(224, fixed(384)), 'auto', 'm'), [352, 384, 416]);
    assert.deepEqual(scalesFor(model(224, { min: 256, max: 512 }), 'auto', 'm'), [256, 384, 512]);
  });

  it('of small images do not go below the crop', () => {
    assert.deepEqual(scalesFor(model(32, fixed(36)), 'auto', 'm'), [32, 36, 40]);
    assert.deepEqual(scalesFor(model(32, fixed(32)), 'auto', 'm'), [32]);
    assert.deepEqual(scalesFor(model(32, { min: 36, max: 45 }), 'auto', 'm'), [36, 41, 45]);
  });

  it("are the publisher's for published weights", () => {
    const published = { ...model(224), publishedTest: TORCHVISION_TEST };
    assert.deepEqual(scalesFor(published, undefined, 'm'), [256]);
    assert.deepEqual(scalesFor(published, [384], 'm'), [384]);
  });

  it('are those in the option', () => {
    assert.deepEqual(scalesFor(model(224, fixed(256)), [512, 300], 'm'), [512, 300]);
  });

  it('are unknown for a model that was never trained', () => {
    const message = /m\.safetensors does not record its training scale, .* \(--scales/;
    assert.throws(() => scalesFor(model(224), 'auto', 'm.safetensors'), userError(message));
  });
});

describe('the smallest scale', () => {
  const check = (protocol: Protocol, scale: number, pooling: 'floor' | 'ceil') => () => {
    const network = buildNetwork({ configuration: 'A', classes: 2, crop: 64, width: 0.05, pooling });
    checkScale(network, protocol, scale, 'm');
  };

  it('is the crop', () => {
    for (const protocol of ['center', 'dense', 'crops', 'both'] as const) {
      check(protocol, 64, 'floor')();
      const small = /scale 63 is too small for m, whose crop is 64.* at least 64/;
      assert.throws(check(protocol, 63, 'floor'), small);
    }
  });

  it('leaves fc6 enough inputs, for dense evaluation and pooling that rounds up', () => {
    // 33 → 17 → 9 → 5 → 3 → 2
    check('dense', 33, 'ceil')();
    const few = /pooling leaves less than the 2×2 inputs of fc6; .* at least 33/;
    assert.throws(check('dense', 32, 'ceil'), few);
    assert.throws(check('both', 63, 'ceil'), /crops of 64 do not fit/);
  });
});
