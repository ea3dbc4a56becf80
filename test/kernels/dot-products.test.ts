/**
 * Fully connected layers with few rows, which our own dot products compute: longer sums than in the conformance suite,
 * and numbers of inputs, outputs and rows that do not fill a vector.
 */
import { describe, it } from 'node:test';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { assertSameForAnyThreads } from '../support/agreement.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { chainCase, convolution, runForward } from '../support/chains.ts';
import { convolve } from '../support/oracle.ts';
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
];

describe('native: dot products', { skip }, () => {
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

    it(`${formatShape(shape)} to ${outputs}: any number of threads gives the same bits`, () =>
      assertSameForAnyThreads((threads) =>
        runForward(createBackend('native', { threads }), testCase, input),
      ));
  }
});
