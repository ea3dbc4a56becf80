import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { elementCount } from '../../../src/core/shape.ts';
import { type InitializationMethod, initialize, initializeTensor } from '../../../src/net/initialization.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { pluck } from '../../support/lists.ts';

const network = buildNetwork({ configuration: 'A', width: 1 / 8, crop: 64, classes: 50 });

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
}

/** Mean 0 and the variance, within five standard errors. */
function assertNormal(values: Float32Array, variance: number, what: string): void {
  const found = moments(values);
  assert.ok(Math.abs(found.mean) < 5 * Math.sqrt(variance / values.length), `${what}: mean ${found.mean}`);
  const ratio = found.variance / variance;
  const bound = 5 * Math.sqrt(2 / values.length);
  assert.ok(Math.abs(ratio - 1) < bound, `${what}: variance is ${ratio} of the expected one`);
}

describe('initial values', () => {
  it('fill every tensor of the network, in its shape, with zero biases', () => {
    const tensors = initialize(network, { method: 'glorot', seed: 1 });
    assert.deepEqual([...tensors.keys()], pluck(network.parameters, 'name'));
    for (const { name, shape, role } of network.parameters) {
      const tensor = tensors.get(name)!;
      assert.equal(tensor.length, elementCount(shape));
      if (role === 'bias') assert.ok(tensor.every((x) => x === 0));
    }
  });

  const shapes = {
    'conv1_1.weight': { into: 3 * 9, out: 8 * 9 },
    'conv3_2.weight': { into: 32 * 9, out: 32 * 9 },
    // In a fully connected layer an input feeds each unit once.
    'fc6.weight': { into: 64 * 4, out: 512 },
    'fc8.weight': { into: 512, out: 50 },
  };
  for (const [name, fan] of Object.entries(shapes)) {
    it(`${name}: normal with the variance of each method`, () => {
      const tensor = (method: InitializationMethod, std?: number) =>
        initializeTensor(network, name, { method, seed: 3, std });
      assertNormal(tensor('he-unscaled'), 2 / fan.into, 'he-unscaled');
      assertNormal(tensor('glorot'), 2 / (fan.into + fan.out), 'glorot');
      assertNormal(tensor('gaussian'), 0.01 ** 2, 'gaussian');
      assertNormal(tensor('gaussian', 0.1), 0.1 ** 2, 'gaussian, the paper read literally');
    });
  }

  it("he: all layers together divide by the input's standard deviation, each by the same factor", () => {
    const draw = (method: InitializationMethod, inputStd: number) =>
      initialize(network, { method, seed: 3, inputStd });
    const [unscaled, scaled] = [draw('he-unscaled', 60), draw('he', 60)];
    let product = 1;
    for (const { name, role } of network.parameters) {
      if (role === 'bias') continue;
      const ratio = unscaled.get(name)![0]! / scaled.get(name)![0]!;
      assert.ok(Math.abs(ratio - 60 ** (1 / 11)) < 1e-5, `${name}: ${ratio}`);
      product *= ratio;
    }
    assert.ok(Math.abs(product - 60) < 1e-3, `${product}`);
    // Images of one color have no deviation.
    assert.deepEqual(draw('he', 0), unscaled);
  });

  it('are normal: a twentieth lies beyond 1.96 standard deviations', () => {
    const values = initializeTensor(network, 'fc7.weight', { method: 'gaussian', std: 1, seed: 2 });
    const beyond = values.filter((x) => Math.abs(x) > 1.959964).length / values.length;
    assert.ok(Math.abs(beyond - 0.05) < 5 * Math.sqrt(0.0475 / values.length), `${beyond}`);
  });

  it('do not depend on the other tensors or on their order', () => {
    const all = initialize(network, { method: 'he', seed: 5 });
    for (const { name } of network.parameters.toReversed()) {
      assert.deepEqual(initializeTensor(network, name, { method: 'he', seed: 5 }), all.get(name));
    }
    // Layers of the same name and shape have the same values in another network, but for he's factor.
    const fc7 = (configuration: 'A' | 'E') =>
      initializeTensor(buildNetwork({ ...network, configuration }), 'fc7.weight', {
        method: 'glorot',
        seed: 5,
      });
    assert.deepEqual(fc7('E'), fc7('A'));
  });

  it('differ by seed and by tensor', () => {
    const first = initialize(network, { method: 'he', seed: 5 });
    const second = initialize(network, { method: 'he', seed: 6 });
    assert.notDeepEqual(first.get('conv5_1.weight'), second.get('conv5_1.weight'));
    assert.notDeepEqual(first.get('conv4_2.weight'), first.get('conv5_1.weight'));
  });

  it('refuse an unknown tensor', () => {
    const initialization = () => initializeTensor(network, 'conv9_1.weight', { method: 'he', seed: 1 });
    assert.throws(initialization, /no parameter conv9_1/);
  });
});
