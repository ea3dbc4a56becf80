import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  type AdaptivePoolLayer,
  type Layer,
  type LrnLayer,
  outputShape,
  type PoolingRounding,
} from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { describeBackends } from '../support/backends.ts';
import { adaptivePool, chainCase, maxPool, relu, runBackward, runForward } from '../support/chains.ts';
import { normalize, normalizeBackward, poolPlaces } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const SHAPES: readonly Shape4[] = [
  [1, 1, 1, 1],
  [2, 3, 5, 7],
  [3, 5, 1, 1],
  [1, 17, 6, 3],
  [2, 16, 4, 4],
  [1, 33, 8, 9],
];

describeBackends('relu', (backend, { representable }) => {
  const layers: Layer[] = [relu()];
  for (const [index, shape] of SHAPES.entries()) {
    // Exact, as nothing is rounded. Every third value is 0, where output and gradient are 0.
    const input = representable(randomTensor(index, shape).map((x, i) => (i % 3 === 2 ? 0 : x)));
    it(`forward and backward: ${formatShape(shape)}`, async () => {
      const testCase = chainCase(layers, shape, 0);
      const outputGradient = representable(randomTensor(50 + index, shape));
      const expected = input.map((x) => Math.max(x, 0));
      assertClose('inference output', await runForward(backend, testCase, input), expected, 0);
      const run = await runBackward(backend, testCase, input, outputGradient);
      assertClose('training output', run.output, expected, 0);
      const gradient = outputGradient.map((g, i) => (input[i]! > 0 ? g : 0));
      assertClose('input gradient', run.inputGradient, gradient, 0);
    });
  }
});

describeBackends('max pooling', (backend, { representable }) => {
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
    const layer: Layer = maxPool(rounding);
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
    const layer: Layer = maxPool('ceil');
    await checkPool(layer, [2, 3, 1, 1], randomTensor(1, [2, 3, 1, 1]), 2);
    const negative = randomTensor(3, [1, 3, 3, 5]).map((x) => -1 - Math.abs(x));
    await checkPool(layer, [1, 3, 3, 5], negative, 4);
  });

  // Exact, as values are only copied.
  async function checkPool(layer: Layer, shape: Shape4, values: Float32Array, seed: number): Promise<void> {
    const input = representable(values);
    const testCase = chainCase([layer], shape, 0);
    const places = poolPlaces(layer, shape, input);
    const expected = places.map((place) => input[place]!);
    const outputGradient = representable(randomTensor(seed, outputShape(layer, shape)));
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

describeBackends('local response normalization', (backend, { layerTolerance }) => {
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
      const expected = normalize(layer, shape, input);
      assertClose('inference output', await runForward(backend, testCase, input), expected, layerTolerance);
      const run = await runBackward(backend, testCase, input, outputGradient);
      assertClose('training output', run.output, expected, layerTolerance);
      const gradient = normalizeBackward(layer, shape, input, outputGradient);
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

describeBackends('adaptive pooling', (backend, { representable, layerTolerance }) => {
  const input = representable(Float32Array.from({ length: 2 * 15 }, (_, i) => ((7 * i) % 15) - 4));
  const cases: readonly (readonly [AdaptivePoolLayer, Shape4, readonly (readonly number[])[]])[] = [
    // The windows of PyTorch's adaptive_avg_pool2d: of 5 columns, 0 to 2 and 2 to 4.
    [
      adaptivePool('average', 2),
      [1, 2, 3, 5],
      windowsOf(
        [
          [0, 2],
          [1, 3],
        ],
        [
          [0, 3],
          [2, 5],
        ],
      ),
    ],
    [
      adaptivePool('average', 4),
      [1, 2, 3, 5],
      windowsOf(
        [
          [0, 1],
          [0, 2],
          [1, 3],
          [2, 3],
        ],
        [
          [0, 2],
          [1, 3],
          [2, 4],
          [3, 5],
        ],
      ),
    ],
    [adaptivePool('average'), [1, 2, 3, 5], windowsOf([[0, 3]], [[0, 5]])],
    [adaptivePool('max'), [2, 1, 3, 5], windowsOf([[0, 3]], [[0, 5]])],
  ];
  for (const [layer, shape, windows] of cases) {
    it(`${layer.method} to ${layer.side}×${layer.side}`, async () => {
      const testCase = chainCase([layer], shape, 0);
      const outputGradient = representable(randomTensor(3, outputShape(layer, shape)));
      const expected: number[] = [];
      const gradient = new Float32Array(input.length);
      for (const map of [0, 15]) {
        for (const window of windows) {
          const values = window.map((place) => input[map + place]!);
          const slope = outputGradient[expected.length]!;
          if (layer.method === 'max') {
            expected.push(Math.max(...values));
            gradient[map + window[values.indexOf(Math.max(...values))]!]! += slope;
          } else {
            expected.push(values.reduce((a, b) => a + b) / values.length);
            for (const place of window) gradient[map + place]! += slope / values.length;
          }
        }
      }
      assertClose('inference output', await runForward(backend, testCase, input), expected, layerTolerance);
      const run = await runBackward(backend, testCase, input, outputGradient);
      assertClose('training output', run.output, expected, layerTolerance);
      assertClose('input gradient', run.inputGradient, gradient, layerTolerance);
    });
  }

  /** The places of each window in a map of 3×5. */
  function windowsOf(rows: number[][], columns: number[][]): number[][] {
    const range = ([from, to]: number[]) => Array.from({ length: to! - from! }, (_, i) => from! + i);
    return rows.flatMap((y) => columns.map((x) => range(y).flatMap((v) => range(x).map((u) => 5 * v + u))));
  }
});

describeBackends('a run that diverges', (backend) => {
  const layerKinds: readonly (readonly Layer[])[] = [
    [relu()],
    [maxPool()],
    [maxPool('ceil')],
    [{ kind: 'lrn', name: 'norm', size: 5, k: 2, alpha: 1e-4, beta: 0.75 }],
    [relu(), maxPool()],
    [adaptivePool('average')],
    [adaptivePool('max')],
  ];
  it('shows it: NaN survives ReLU and pooling', async () => {
    for (const layers of layerKinds) {
      for (let place = 0; place < 4; place++) {
        const input = Float32Array.of(1, -2, 3, 4);
        input[place] = Number.NaN;
        const output = await runForward(backend, chainCase(layers, [1, 1, 2, 2], 0), input);
        assert.ok(output.some(Number.isNaN), `${layers.map(({ kind }) => kind)} of ${input} is ${output}`);
      }
    }
  });
});
