/**
 * Fully connected layers, by dot products where there are few rows and by blocked matrix products otherwise: longer sums
 * than in the conformance suite, and numbers of inputs, outputs and rows that do not fill a vector or a block.
 */
import { describe, it } from 'node:test';
import { outputShape } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { assertSameForAnyThreads } from '../support/agreement.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { chainCase, convolution, runBackward, runForward } from '../support/chains.ts';
import { assertConvolved, convolve, convolveBackward } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip } = nativeUnderTest;

// Few to many rows, inputs and outputs; sums of 1 to 25,088 products; panels that end within a vector.
const cases: readonly [Shape4, number][] = [
  [[1, 1, 1, 1], 1],
  [[1, 512, 7, 7], 30],
  [[2, 37, 3, 3], 5],
  [[5, 300, 5, 5], 27],
  [[7, 3000, 1, 1], 26],
  [[8, 512, 7, 7], 25],
  [[13, 901, 3, 3], 3],
  [[15, 4096, 1, 1], 10],
  [[16, 512, 7, 7], 13],
  [[17, 1100, 1, 1], 40],
  [[33, 70, 3, 3], 200],
  [[49, 260, 2, 2], 67],
  [[70, 65, 1, 1], 1],
  [[130, 33, 5, 5], 130],
];

describe('native: fully connected layers', { skip }, () => {
  for (const [shape, outputs] of cases) {
    const layer = convolution(shape[1], outputs, { kernel: shape[2], padding: 0 });
    const testCase = chainCase([layer], shape, 11);
    const input = randomTensor(12, shape);

    // Rounding errors, each 6e-8 of a partial sum, add up like a random walk.
    it(`${formatShape(shape)} to ${outputs}: within 2e-6 of the largest output`, async () => {
      const [weight, bias] = [testCase.values.get('conv.weight')!, testCase.values.get('conv.bias')!];
      const output = await runForward(createBackend('native', { threads: 2 }), testCase, input);
      assertClose('output', output, convolve(layer, shape, input, weight, bias), 2e-6);
    });

    it(`${formatShape(shape)} to ${outputs}: gradients within 2e-6 of the largest`, async () => {
      const gradient = randomTensor(13, outputShape(layer, shape));
      const run = await runBackward(createBackend('native', { threads: 2 }), testCase, input, gradient);
      const weight = testCase.values.get('conv.weight')!;
      const output = convolve(layer, shape, input, weight, testCase.values.get('conv.bias')!);
      assertConvolved(run, { output, ...convolveBackward(layer, shape, input, weight, gradient) }, 2e-6);
    });

    it(`${formatShape(shape)} to ${outputs}: any number of threads gives the same bits`, () =>
      assertSameForAnyThreads((threads) => {
        const gradient = randomTensor(13, outputShape(layer, shape));
        return runBackward(createBackend('native', { threads }), testCase, input, gradient);
      }));
  }
});
