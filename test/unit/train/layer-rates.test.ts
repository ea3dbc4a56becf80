import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { selectLayers, trainedPart, withFrozenLayers } from '../../../src/net/frozen-layers.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { tensorRates } from '../../../src/train/layer-rates.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { userError } from '../../support/refused.ts';

const network = buildNetwork({ configuration: 'A', classes: 3, crop: 32, width: 0.1 });

describe('layers chosen by name', () => {
  const CASES: Record<string, string> = {
    'conv1_1..conv3_1': 'conv1_1,conv2_1,conv3_1',
    'fc6, conv2_1': 'conv2_1,fc6',
    'features,fc6': 'conv1_1,conv2_1,conv3_1,conv3_2,conv4_1,conv4_2,conv5_1,conv5_2,fc6',
    'all-but-conv1_1': 'conv2_1,conv3_1,conv3_2,conv4_1,conv4_2,conv5_1,conv5_2,fc6,fc7,fc8',
  };
  for (const [selection, expected] of Object.entries(CASES)) {
    it(selection, () => assert.equal(selectLayers(network, selection, 'freeze').join(), expected));
  }
  for (const [selection, fault] of [
    ['conv1_2', /has no layer "conv1_2"/],
    ['fc8..fc6', /the range fc8\.\.fc6 is empty/],
    ['fc6..fc7..fc8', /no layer "fc6\.\.fc7\.\.fc8"/],
    ['', /no layer ""/],
  ] as const) {
    it(`refuses "${selection}"`, () =>
      assert.throws(() => selectLayers(network, selection, 'freeze'), userError(fault)));
  }
});

describe('the trained part', () => {
  const part = (selection: string) =>
    trainedPart(withFrozenLayers(network, selectLayers(network, selection, 'freeze'))).map(
      ({ name }) => name,
    );

  it('begins with the first layer that is not frozen, and the dropout before it', () => {
    assert.deepEqual(part('all-but-fc8'), ['drop7', 'fc8']);
    assert.equal(part('features')[0], 'fc6');
    assert.equal(part('conv2_1,fc7')[0], 'conv1_1');
    assert.throws(() => part('features,fc6,fc7,fc8'), userError(/leave one to train/));
  });
});

describe('rates of tensors', () => {
  const recipe = (changes: object) =>
    resolveRecipe({ config: 'A', crop: 32, scale: 32, from: 'a', ...changes });

  it('are 0 for frozen layers, the given factor, or 1', () => {
    const rates = tensorRates(recipe({ freeze: 'features', 'lr-scale': 'fc8=10,fc6=0.5' }), network);
    assert.deepEqual(rates.slice(-6), [0.5, 0.5, 1, 1, 10, 10]);
    assert.ok(rates.slice(0, -6).every((rate) => rate === 0));
  });

  for (const [changes, fault] of [
    [{ freeze: 'features', 'lr-scale': 'conv1_1=2' }, /conv1_1 is frozen/],
    [{ 'lr-scale': 'fc6=2,fc6..fc8=3' }, /fc6 is in lr-scale twice/],
    [{ 'lr-scale': 'fc6=0' }, /must be a list such as/],
    [{ 'lr-scale': 'fc6' }, /must be a list such as/],
    [{ freeze: 'conv9_9' }, /no layer "conv9_9"/],
    [{ freeze: 'features', from: undefined }, /freeze needs from/],
  ] as const) {
    it(`refuses ${JSON.stringify(changes)}`, () => assert.throws(() => recipe(changes), userError(fault)));
  }
});
