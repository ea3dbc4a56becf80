import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UsageError } from '../../../src/core/errors.ts';
import { buildNetwork, featuresOnly, type Network, type NetworkOptions } from '../../../src/net/network.ts';
import { numberedClasses } from '../../../src/weights/labels/class-names.ts';
import type { Model } from '../../../src/weights/model/model.ts';
import { transferAll, transferFromShallower } from '../../../src/weights/model/transfer.ts';
import { userError } from '../../support/refused.ts';
import { smallModel } from './fixtures.ts';

function network(options: Partial<NetworkOptions> = {}): Network {
  return buildNetwork({ configuration: 'A', classes: 3, crop: 32, width: 1 / 64, ...options });
}

/** The names that `smallModel` gives the classes. */
const namesFor = ({ classes }: Network) => numberedClasses(classes).classes;
const allOf = (from: Model, to: Network, classes = namesFor(to)) => transferAll(from, to, classes);
const shallowOf = (from: Model, to: Network) => transferFromShallower(from, to, namesFor(to));

const tensorsOf = (layers: readonly string[]) =>
  layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);

describe('transferAll', () => {
  test('takes every layer of the same network', () => {
    const from = smallModel();
    const { tensors, kept, replaced } = allOf(from, network());
    assert.deepEqual([...tensors], [...from.tensors]);
    assert.equal(kept.length, 22);
    assert.deepEqual(replaced, []);
  });

  test('leaves fc8 to the caller when the number of classes differs', () => {
    const { tensors, kept, replaced } = allOf(smallModel(), network({ classes: 5 }));
    assert.deepEqual(replaced, ['fc8.weight', 'fc8.bias']);
    assert.equal(tensors.size, 20);
    assert.equal(kept.at(-1), 'fc7.bias');
  });

  test('leaves fc8 to the caller when as many classes have other names', () => {
    const { replaced } = allOf(smallModel(), network(), ['cat', 'dog', 'owl']);
    assert.deepEqual(replaced, ['fc8.weight', 'fc8.bias']);
  });

  test('matches classes by name, whatever their order and normalization', () => {
    const model = { ...smallModel(), classes: ['a', 'é', 'c'] };
    const tensors = new Map(model.tensors).set('fc8.bias', Float32Array.of(1, 2, 3));
    const taken = allOf({ ...model, tensors }, network(), ['c', 'a', 'e\u0301']);
    assert.deepEqual(taken.replaced, []);
    assert.deepEqual([...taken.tensors.get('fc8.bias')!], [3, 1, 2]);
  });

  test('leaves the classifier to the caller when the model has none', () => {
    const whole = smallModel();
    const features = { ...whole, network: featuresOnly(whole.network) };
    const { kept, replaced } = allOf(features, network({ crop: 64, classes: 9 }));
    assert.equal(kept.length, 16);
    assert.deepEqual(replaced, tensorsOf(['fc6', 'fc7', 'fc8']));
  });

  test('refuses weights that were trained after another pooling, which has the same shapes', () => {
    const pooled = smallModel({ headPool: { method: 'average', side: 1 }, hidden: [8] });
    const { headPool } = pooled.network;
    assert.equal(allOf(pooled, network({ headPool, hidden: [8], crop: 70 })).replaced.length, 0);
    const message = /pools before its classifier.*--head-pool average --hidden 8/;
    assert.throws(() => allOf(pooled, network({ hidden: [8] })), userError(message));
  });

  test('refuses other networks, naming the tensor and both shapes', () => {
    for (const [from, to, message] of [
      [
        {},
        { crop: 64 },
        /fc6\.weight: .*expects 64×8×2×2, .* has 64×8×1×1; .*--crop 32 .*or .*--from-features-only/,
      ],
      [{}, { width: 1 / 32 }, /conv1_1\.weight: .*expects 2×3×3×3, .* has 1×3×3×3/],
      [{}, { configuration: 'B' }, /conv1_2\.weight: .* has no such tensor.*--from-shallower/],
      [{ configuration: 'B' }, {}, /conv1_2\.weight: .*expects no such tensor.* has 1×1×3×3/],
    ] as const) {
      assert.throws(() => allOf(smallModel(from), network(to)), userError(message));
    }
  });
});

describe('transferFromShallower', () => {
  const first = ['conv1_1', 'conv2_1', 'conv3_1', 'conv3_2'];

  for (const configuration of ['B', 'C', 'D', 'E'] as const) {
    test(`${configuration} takes A's first four convolutions and its fully connected layers`, () => {
      const from = smallModel();
      const target = network({ configuration });
      const { tensors, kept, replaced } = shallowOf(from, target);
      assert.deepEqual(kept, tensorsOf([...first, 'fc6', 'fc7', 'fc8']));
      assert.equal(kept.length + replaced.length, target.parameters.length);
      assert.ok(replaced.includes('conv1_2.weight'));
      assert.equal(tensors.get('fc6.weight'), from.tensors.get('fc6.weight'));
    });
  }

  test('leaves fc8 to the caller when the number of classes differs', () => {
    const { kept } = shallowOf(smallModel(), network({ configuration: 'D', classes: 9 }));
    assert.deepEqual(kept, tensorsOf([...first, 'fc6', 'fc7']));
  });

  test('refuses a network that is not deeper, and shapes that differ', () => {
    assert.throws(() => shallowOf(smallModel({ configuration: 'D' }), network()), UsageError);
    const larger = network({ configuration: 'D', crop: 64 });
    const remedy = /fc6\.weight: .*train with --crop 32/;
    assert.throws(() => shallowOf(smallModel(), larger), remedy);
  });
});
