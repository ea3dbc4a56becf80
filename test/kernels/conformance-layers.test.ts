import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ConvolutionLayer, Layer, LrnLayer, PoolingRounding } from '../../src/core/layer.ts';
import { outputShape } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { describeBackends } from '../support/backends.ts';
import { chainCase, runBackward, runForward } from '../support/chains.ts';
import { normalise, normaliseBackward, poolPlaces } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const SHAPES: readonly Shape4[] = [
  [1, 1, 1, 1],
  [2, 3, 5, 7],
  [3, 5, 1, 1],
  [1, 17, 6, 3],
  [2, 16, 4, 4],
  [1, 33, 8, 9],
];

describeBackends('relu', (backend) => {
  const layers: Layer[] = [{ kind: 'relu', name: 'relu' }];
  for (const [index, shape] of SHAPES.entries()) {
    // Exact: nothing is rounded. Every third value is 0, where output and gradient are 0.
    const input = randomTensor(index, shape).map((x, i) => (i % 3 === 2 ? 0 : x));
    it(`forward and backward: ${formatShape(shape)}`, async () => {
      const testCase = chainCase(layers, shape, 0);
      const outputGradient = randomTensor(50 + index, shape);
      const expected = input.map((x) => Math.max(x, 0));
      assertClose('inference output', await runForward(backend, testCase, input), expected, 0);
      const run = await runBackward(backend, testCase, input, outputGradient);
      assertClose('training output', run.output, expected, 0);
      const gradient = outputGradient.map((g, i) => (input[i]! > 0 ? g : 0));
      assertClose('input gradient', run.inputGradient, gradient, 0);
    });
  }
});

describeBackends('max pooling', (backend) => {
  const shapes: readonly Shape4[] = [
    [1, 1, 2, 2],
    [2, 3, 4, 6],
    [1, 5, 5, 7],
    [2, 17, 7, 4],
    [1, 16, 3, 3],
    [2, 33, 9, 8],
  ];
  const roundings: readonly PoolingRounding[] = ['floor', 'ceil'];
  for (const rounding of roundings) {
    const layer: Layer = { kind: 'maxPool', name: 'pool', rounding };
    for (const [index, shape] of shapes.entries()) {
      it(`${rounding}: ${formatShape(shape)}`, async () => {
        await checkPool(layer, shape, randomTensor(index, shape), 70 + index);
      });
      it(`${rounding}, many ties: ${formatShape(shape)}`, async () => {
        await checkPool(layer, shape, randomTensor(index, shape).map(Math.sign), 90 + index);
      });
    }
  }

  it('ceil: a map of one pixel and negative values at the edge', async () => {
    const layer: Layer = { kind: 'maxPool', name: 'pool', rounding: 'ceil' };
    await checkPool(layer, [2, 3, 1, 1], randomTensor(1, [2, 3, 1, 1]), 2);
    const negative = randomTensor(3, [1, 3, 3, 5]).map((x) => -1 - Math.abs(x));
    await checkPool(layer, [1, 3, 3, 5], negative, 4);
  });

  // Exact: values are only moved.
  async function checkPool(layer: Layer, shape: Shape4, input: Float32Array, seed: number): Promise<void> {
    const testCase = chainCase([layer], shape, 0);
    const places = poolPlaces(layer, shape, input);
    const expected = places.map((place) => input[place]!);
    const outputGradient = randomTensor(seed, outputShape(layer, shape));
    const gradient = new Float32Array(input.length);
    places.forEach((place, i) => {
      gradient[place] = outputGradient[i]!;
    });
    assertClose('inference output', await runForward(backend, testCase, input), expected, 0);
    const run = await runBackward(backend, testCase, input, outputGradient);
    assertClose('training output', run.output, expected, 0);
    assertClose('input gradient', run.inputGradient, gradient, 0);
  }
});

describeBackends('convolution, relu and max pooling in one', (backend, { layerTolerance }) => {
  // The three are one kernel in fast engines, so their seams are tested: odd maps, both roundings, and a
  // bias so low that whole windows are 0.
  for (const rounding of ['floor', 'ceil'] as const) {
    for (const shape of [[2, 5, 7, 9] as const, [1, 16, 8, 8] as const, [1, 17, 2, 3] as const]) {
      it(`${rounding}: ${formatShape(shape)}`, async () => {
        const convolution: ConvolutionLayer = {
          kind: 'convolution',
          name: 'conv',
          kernel: 3,
          padding: 1,
          inChannels: shape[1],
          outChannels: 17,
        };
        const relu: Layer = { kind: 'relu', name: 'relu' };
        const pool: Layer = { kind: 'maxPool', name: 'pool', rounding };
        const whole = chainCase([convolution, relu, pool], shape, 3);
        const bias = whole.values.get('conv.bias')!;
        for (let o = 0; o < bias.length; o += 3) bias[o] = -3;
        const input = randomTensor(11, shape);
        const outputGradient = randomTensor(12, outputShape(pool, [shape[0], 17, shape[2], shape[3]]));
        // One layer at a time through the same backend, each of which is tested against its definition.
        const mapShape: Shape4 = [shape[0], 17, shape[2], shape[3]];
        const first = { layers: [convolution], inputShape: shape, values: whole.values };
        const conv = await runForward(backend, first, input);
        const rectified = conv.map((x) => Math.max(x, 0));
        const places = poolPlaces(pool, mapShape, rectified);
        const gradient = new Float32Array(conv.length);
        places.forEach((place, i) => {
          if (conv[place]! > 0) gradient[place] = outputGradient[i]!;
        });
        const expected = await runBackward(backend, first, input, gradient);
        const run = await runBackward(backend, whole, input, outputGradient);
        const output = places.map((place) => rectified[place]!);
        assertClose('output', run.output, output, layerTolerance);
        assertClose('inference output', await runForward(backend, whole, input), output, layerTolerance);
        assertClose('input gradient', run.inputGradient, expected.inputGradient, layerTolerance);
        for (const [name, tensor] of expected.gradients) {
          assertClose(`${name} gradient`, run.gradients.get(name), tensor, layerTolerance);
        }
      });
    }
  }
});

describeBackends('local response normalisation', (backend, { layerTolerance }) => {
  const paper: LrnLayer = { kind: 'lrn', name: 'norm', size: 5, k: 2, alpha: 1e-4, beta: 0.75 };
  const strong: LrnLayer = { ...paper, alpha: 0.5, k: 1 };
  const cases: readonly [string, LrnLayer, Shape4][] = [
    ["the paper's constants", paper, [2, 17, 5, 3]],
    ['strong', strong, [1, 16, 4, 5]],
    ['strong', strong, [2, 64, 3, 3]],
    ['one channel', strong, [2, 1, 3, 2]],
    ['fewer channels than its size', strong, [1, 3, 5, 4]],
    ['one pixel', strong, [3, 5, 1, 1]],
    ['three channels, another power', { ...strong, size: 3, beta: 0.5 }, [1, 7, 4, 4]],
    ['itself only', { ...strong, size: 1 }, [1, 5, 4, 4]],
  ];
  for (const [index, [title, layer, shape]] of cases.entries()) {
    it(`${title}: ${formatShape(shape)}`, async () => {
      const testCase = chainCase([layer], shape, 0);
      const input = randomTensor(index, shape, 2);
      const outputGradient = randomTensor(30 + index, shape);
      const expected = normalise(layer, shape, input);
      assertClose('inference output', await runForward(backend, testCase, input), expected, layerTolerance);
      const run = await runBackward(backend, testCase, input, outputGradient);
      assertClose('training output', run.output, expected, layerTolerance);
      const gradient = normaliseBackward(layer, shape, input, outputGradient);
      assertClose('input gradient', run.inputGradient, gradient, layerTolerance);
    });
  }

  it('does not divide alpha by its size', async () => {
    const layer: LrnLayer = { kind: 'lrn', name: 'norm', size: 5, k: 2, alpha: 1, beta: 1 };
    const ones = new Float32Array(elementCount([1, 5, 1, 1])).fill(1);
    const output = await runForward(backend, chainCase([layer], [1, 5, 1, 1], 0), ones);
    assertClose('output', output, [1 / 5, 1 / 6, 1 / 7, 1 / 6, 1 / 5], layerTolerance);
    assert.equal(output.length, 5);
  });
});
