/**
 * Convolutions that the native kernels compute directly: with few input channels, such as conv1_1, with kernels other
 * than 3×3, and on the smallest maps. Maps, channels and kernels that do not fill a vector, with and without a fused ReLU.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConvolutionLayer, outputShape } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { assertSameForAnyThreads } from '../support/agreement.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { chainCase, convolution, relu, runBackward, runForward } from '../support/chains.ts';
import { assertConvolved, convolve, convolveBackward } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip } = nativeUnderTest;
const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(1, 1), [1, 1, 1, 1]],
  [convolution(3, 64), [2, 3, 17, 31]],
  [convolution(3, 70), [3, 3, 2, 7]],
  [convolution(7, 33), [2, 7, 13, 5]],
  [convolution(3, 20, { kernel: 5, padding: 2 }), [1, 3, 9, 8]],
  [convolution(2, 17, { kernel: 4, padding: 0 }), [2, 2, 9, 11]],
  [convolution(5, 40, { kernel: 1, padding: 0 }), [1, 5, 6, 12]],
  // In blocks of channels: 1×1, 5×5 and 2×2 kernels, several strips of rows, several groups of outputs, the last ones partly empty.
  [convolution(8, 8, { kernel: 1, padding: 0 }), [1, 8, 3, 3]],
  [convolution(40, 70, { kernel: 1, padding: 0 }), [3, 40, 9, 11]],
  [convolution(300, 130, { kernel: 1, padding: 0 }), [2, 300, 14, 14]],
  [convolution(17, 33, { kernel: 5, padding: 2 }), [2, 17, 13, 12]],
  [convolution(64, 20, { kernel: 5, padding: 2 }), [1, 64, 40, 37]],
  [convolution(9, 100, { kernel: 5, padding: 0 }), [2, 9, 7, 6]],
  [convolution(24, 16, { kernel: 2, padding: 1 }), [3, 24, 5, 4]],
  [convolution(20, 12, { kernel: 1, padding: 1 }), [2, 20, 4, 5]],
  [convolution(130, 70), [1, 130, 3, 1]],
  [convolution(16, 16), [2, 16, 1, 1]],
  // The output is large enough to be written past the caches.
  [convolution(3, 64), [1, 3, 190, 190]],
];

describe('native: direct convolution', { skip }, () => {
  const backend = skip ? undefined : createBackend('native', { threads: 2 });

  for (const [layer, shape] of cases) {
    const name = `${formatShape(shape)} to ${layer.outChannels} by ${layer.kernel}×${layer.kernel}`;
    const testCase = chainCase([layer], shape, 21);
    const rectified = { ...testCase, layers: [layer, relu()] };
    const weight = testCase.values.get('conv.weight')!;
    const input = randomTensor(22, shape);
    const expected = () => convolve(layer, shape, input, weight, testCase.values.get('conv.bias')!);

    it(`${name}: within 2e-6 of the largest output, with and without ReLU`, async () => {
      const outputs = expected();
      assertClose('output', await runForward(backend!, testCase, input), outputs, 2e-6);
      const positive = outputs.map((value) => Math.max(value, 0));
      assertClose('rectified', await runForward(backend!, rectified, input), positive, 2e-6);
    });

    it(`${name}: gradients through the ReLU, within 5e-5 of the largest`, async () => {
      const outputs = expected();
      const gradient = randomTensor(23, outputShape(layer, shape));
      const run = await runBackward(backend!, rectified, input, gradient);
      const masked = gradient.map((value, i) => (outputs[i]! > 0 ? value : 0));
      const gradients = convolveBackward(layer, shape, input, weight, masked);
      const output = outputs.map((value) => Math.max(value, 0));
      assertConvolved(run, { output, ...gradients }, 5e-5);
    });

    it(`${name}: any number of threads gives the same bits`, () =>
      assertSameForAnyThreads((threads) => {
        const gradient = randomTensor(23, outputShape(layer, shape));
        return runBackward(createBackend('native', { threads }), rectified, input, gradient);
      }));
  }

  it('NaN stays NaN through the ReLU, so that a diverging run shows it', async () => {
    const [layer, shape] = cases[1]!;
    const testCase = { ...chainCase([layer], shape, 24), layers: [layer, relu()] };
    const input = new Float32Array(elementCount(shape)).fill(Number.NaN);
    assert.ok((await runForward(backend!, testCase, input)).every(Number.isNaN));
  });
});
