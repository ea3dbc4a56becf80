import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../../src/core/errors.ts';
import { outputShape, shapesAlong } from '../../../src/core/layer.ts';
import { type ConfigurationName, configurationNames } from '../../../src/net/configurations.ts';
import { layerCosts } from '../../../src/net/cost.ts';
import {
  buildNetwork,
  cropShape,
  featureConvolutions,
  type NetworkOptions,
  parameterCount,
} from '../../../src/net/network.ts';
import { pluck } from '../../support/lists.ts';

/** Table 1 once more, as (kernel, output channels) with the side of the map at 224. */
const SIDES = [224, 112, 56, 28, 14];
const CHANNELS = [64, 128, 256, 512, 512];
/** Kernels of each block. */
// biome-ignore format: one row per network
const KERNELS: Record<ConfigurationName, number[][]> = {
  A: [[3], [3], [3, 3], [3, 3], [3, 3]],
  'A-LRN': [[3], [3], [3, 3], [3, 3], [3, 3]],
  B: [[3, 3], [3, 3], [3, 3], [3, 3], [3, 3]],
  C: [[3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]],
  D: [[3, 3], [3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
  E: [[3, 3], [3, 3], [3, 3, 3, 3], [3, 3, 3, 3], [3, 3, 3, 3]],
  'B-5x5': [[5], [5], [5], [5], [5]],
};

/** Parameters and multiply-adds at 1000 classes and 224, straight from the formulas. */
function directCosts(name: ConfigurationName) {
  let parameters = 0;
  let multiplyAdds = 0;
  let weightLayers = 3;
  let channels = 3;
  KERNELS[name].forEach((kernels, block) => {
    for (const kernel of kernels) {
      const weights = kernel ** 2 * channels * CHANNELS[block]!;
      parameters += weights + CHANNELS[block]!;
      multiplyAdds += weights * SIDES[block]! ** 2;
      channels = CHANNELS[block]!;
      weightLayers++;
    }
  });
  for (const [inputs, outputs] of [
    [512 * 7 * 7, 4096],
    [4096, 4096],
    [4096, 1000],
  ] as const) {
    parameters += inputs * outputs + outputs;
    multiplyAdds += inputs * outputs;
  }
  return { parameters, multiplyAdds, weightLayers };
}

describe('parameters', () => {
  const published: Partial<Record<ConfigurationName, number>> = {
    A: 132_863_336,
    'A-LRN': 132_863_336,
    B: 133_047_848,
    C: 133_638_952,
    D: 138_357_544,
    E: 143_667_240,
  };
  for (const [configuration, count] of Object.entries(published) as [ConfigurationName, number][]) {
    it(`${configuration}: ${count} (Table 2, unrounded)`, () => {
      assert.equal(parameterCount(buildNetwork({ configuration })), count);
    });
  }

  for (const configuration of configurationNames) {
    it(`${configuration}: parameters, multiply-adds and depth by the formulas`, () => {
      const network = buildNetwork({ configuration });
      const costs = layerCosts(network);
      const direct = directCosts(configuration);
      const sum = (of: 'parameters' | 'multiplyAdds') => costs.reduce((total, cost) => total + cost[of], 0);
      assert.equal(parameterCount(network), direct.parameters);
      assert.equal(sum('parameters'), direct.parameters);
      assert.equal(sum('multiplyAdds'), direct.multiplyAdds);
      assert.equal(network.weightLayers, direct.weightLayers);
    });
  }

  it('depths are those of Table 1', () => {
    const networks = configurationNames.map((configuration) => buildNetwork({ configuration }));
    const depths = pluck(networks, 'weightLayers').slice(0, 6);
    assert.deepEqual(depths, [11, 11, 13, 16, 16, 19]);
  });

  it('three 3×3 layers cost 27 C², one 7×7 layer 49 C² (section 2.3); B-5x5 is B with its pairs replaced', () => {
    const weights = (configuration: ConfigurationName, from: number) =>
      featureConvolutions(buildNetwork({ configuration }))
        .filter(({ inChannels, outChannels }) => inChannels === from && outChannels === from)
        .reduce((sum, { kernel }) => sum + kernel ** 2 * from ** 2, 0);
    assert.equal(weights('D', 256) / 256 ** 2, 2 * 9);
    assert.equal(weights('B', 512) / 512 ** 2, 3 * 9);
    assert.equal(weights('B-5x5', 512) / 512 ** 2, 25);
    assert.equal(directCosts('D').multiplyAdds, 15_470_264_320);
  });
});

describe('layout', () => {
  it('D reads like Table 1', () => {
    const network = buildNetwork({ configuration: 'D' });
    assert.deepEqual(pluck(network.layers, 'name'), [
      ...['conv1_1', 'relu1_1', 'conv1_2', 'relu1_2', 'pool1'],
      ...['conv2_1', 'relu2_1', 'conv2_2', 'relu2_2', 'pool2'],
      ...['conv3_1', 'relu3_1', 'conv3_2', 'relu3_2', 'conv3_3', 'relu3_3', 'pool3'],
      ...['conv4_1', 'relu4_1', 'conv4_2', 'relu4_2', 'conv4_3', 'relu4_3', 'pool4'],
      ...['conv5_1', 'relu5_1', 'conv5_2', 'relu5_2', 'conv5_3', 'relu5_3', 'pool5'],
      ...['fc6', 'relu6', 'drop6', 'fc7', 'relu7', 'drop7', 'fc8'],
    ]);
    const fc6 = { name: 'fc6.weight', shape: [4096, 512, 7, 7], role: 'weight' };
    assert.deepEqual(network.parameters.at(-6), fc6);
  });

  it("A-LRN is A and one normalization with Krizhevsky's constants after conv1_1's ReLU", () => {
    const plain = buildNetwork({ configuration: 'A' }).layers;
    const withLrn = buildNetwork({ configuration: 'A-LRN' }).layers;
    assert.deepEqual(withLrn[2], { kind: 'lrn', name: 'norm1', size: 5, k: 2, alpha: 1e-4, beta: 0.75 });
    const others = withLrn.filter(({ kind }) => kind !== 'lrn');
    assert.deepEqual(others, plain);
  });

  it("C's extra layers are 1×1 without padding", () => {
    const convolutions = featureConvolutions(buildNetwork({ configuration: 'C' }));
    const small = convolutions.filter(({ kernel }) => kernel === 1);
    assert.deepEqual(pluck(small, 'name'), ['conv3_3', 'conv4_3', 'conv5_3']);
    assert.deepEqual(pluck(small, 'padding'), [0, 0, 0]);
  });

  for (const configuration of configurationNames) {
    it(`${configuration}: output shapes at crops and on whole images`, () => {
      for (const crop of [32, 64, 224, 256]) {
        const network = buildNetwork({ configuration, crop, classes: 10, width: 1 / 16 });
        const shapes = (height: number, width: number) =>
          shapesAlong(network.layers, [2, 3, height, width]).at(-1);
        assert.deepEqual(shapesAlong(network.layers, cropShape(network, 2)).at(-1), [2, 10, 1, 1]);
        assert.deepEqual(shapes(crop + 32, crop + 95), [2, 10, 2, 3]);
        assert.throws(() => shapes(crop - 32, crop), /too small/);
      }
      const network = buildNetwork({ configuration, width: 1 / 16 });
      // Section 3.2 at Q = 384 on an image of 3:4.
      assert.deepEqual(shapesAlong(network.layers, [1, 3, 384, 512]).at(-1), [1, 1000, 6, 10]);
      const ceil = buildNetwork({ configuration, width: 1 / 16, pooling: 'ceil' });
      assert.deepEqual(shapesAlong(ceil.layers, [1, 3, 385, 353]).at(-1), [1, 1000, 7, 6]);
      assert.deepEqual(shapesAlong(network.layers, [1, 3, 385, 353]).at(-1), [1, 1000, 6, 5]);
    });
  }

  it('width multiplies hidden channels, not the image and not the classes', () => {
    const network = buildNetwork({ configuration: 'B', width: 0.125, classes: 12, crop: 96 });
    const shapes = new Map(network.parameters.map(({ name, shape }) => [name, shape]));
    assert.deepEqual(shapes.get('conv1_1.weight'), [8, 3, 3, 3]);
    assert.deepEqual(shapes.get('conv5_2.weight'), [64, 64, 3, 3]);
    assert.deepEqual(shapes.get('fc6.weight'), [512, 64, 3, 3]);
    assert.deepEqual(shapes.get('fc8.weight'), [12, 512, 1, 1]);
    const thin = buildNetwork({ configuration: 'A', width: 1e-6 });
    assert.deepEqual(thin.parameters[0]!.shape, [1, 3, 3, 3]);
  });
});

describe('options', () => {
  const refused: [Partial<NetworkOptions>, RegExp][] = [
    [{ configuration: 'F' as ConfigurationName }, /"F"; choose one of A, A-LRN, B/],
    [{ configuration: 'toString' as ConfigurationName }, /choose one of/],
    [{ classes: 1 }, /2 or more, not 1/],
    [{ classes: 2.5 }, /2\.5/],
    [{ crop: 0 }, /multiple of 32.*not 0/],
    [{ crop: 225 }, /multiple of 32.*not 225/],
    [{ crop: Number.NaN }, /NaN/],
    [{ width: 0 }, /above 0/],
    [{ width: 17 }, /at most 16/],
    [{ width: Number.NaN }, /NaN/],
    [{ dropout: 1 }, /below 1, not 1/],
    [{ dropout: -0.1 }, /-0\.1/],
  ];
  for (const [options, message] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      const build = () => buildNetwork({ configuration: 'A', ...options });
      assert.throws(build, (error) => error instanceof UsageError && message.test(error.message));
    });
  }

  it('in range give layers whose shapes fit', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...configurationNames),
        fc.integer({ min: 2, max: 2000 }),
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 1 / 64, max: 2, noNaN: true }),
        fc.constantFrom('floor' as const, 'ceil' as const),
        (configuration, classes, blocks, width, pooling) => {
          const network = buildNetwork({ configuration, classes, crop: 32 * blocks, width, pooling });
          let shape = cropShape(network, 3);
          for (const layer of network.layers) shape = outputShape(layer, shape);
          assert.deepEqual(shape, [3, classes, 1, 1]);
          const names = [...network.layers, ...network.parameters].map(({ name }) => name);
          assert.equal(new Set(names).size, names.length);
          const costs = layerCosts(network);
          const sum = costs.reduce((sum, cost) => sum + cost.parameters, 0);
          assert.equal(sum, parameterCount(network));
          assert.deepEqual(costs.at(-1)!.outputShape, [1, classes, 1, 1]);
        },
      ),
      { seed: 20140904, numRuns: 60 },
    );
  });
});
