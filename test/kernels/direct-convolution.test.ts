/**
 * Convolutions of few input channels, such as conv1_1, which our own kernel computes as they stand: maps, channels and
 * kernels that fill no vector, with and without the ReLU that is done in the same step.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConvolutionLayer, Layer } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { backendsUnderTest } from '../support/backends.ts';
import { chainCase, runBackward, runForward } from '../support/chains.ts';
import { convolve, convolveBackward } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { missing } = backendsUnderTest.find(({ name }) => name === 'native')!;
const relu: Layer = { kind: 'relu', name: 'relu' };

function convolution(
  inChannels: number,
  outChannels: number,
  kernel: number,
  padding: number,
): ConvolutionLayer {
  return { kind: 'convolution', name: 'conv1_1', kernel, padding, inChannels, outChannels };
}

const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(1, 1, 3, 1), [1, 1, 1, 1]],
  [convolution(3, 64, 3, 1), [2, 3, 17, 31]],
  [convolution(3, 70, 3, 1), [3, 3, 2, 7]],
  [convolution(7, 33, 3, 1), [2, 7, 13, 5]],
  [convolution(3, 20, 5, 2), [1, 3, 9, 8]],
  [convolution(2, 17, 4, 0), [2, 2, 9, 11]],
  [convolution(5, 40, 1, 0), [1, 5, 6, 12]],
  // Its output goes past the caches.
  [convolution(3, 64, 3, 1), [1, 3, 190, 190]],
];

describe('native: direct convolution', { skip: missing ?? false }, () => {
  const backend = missing ? undefined : createBackend('native', { threads: 2 });

  for (const [layer, shape] of cases) {
    const name = `${formatShape(shape)} to ${layer.outChannels} by ${layer.kernel}×${layer.kernel}`;
    const testCase = chainCase([layer], shape, 21);
    const rectified = { ...testCase, layers: [layer, relu] };
    const weight = testCase.values.get('conv1_1.weight')!;
    const input = randomTensor(22, shape);
    const expected = () => convolve(layer, shape, input, weight, testCase.values.get('conv1_1.bias')!);

    it(`${name}: within 2e-6 of the largest output, with the ReLU and without`, async () => {
      const outputs = expected();
      assertClose('output', await runForward(backend!, testCase, input), outputs, 2e-6);
      const positive = outputs.map((value) => Math.max(value, 0));
      assertClose('rectified', await runForward(backend!, rectified, input), positive, 2e-6);
    });

    it(`${name}: gradients through the ReLU, within 5e-5 of the largest`, async () => {
      const outputs = expected();
      const gradient = randomTensor(23, [shape[0], layer.outChannels, ...mapOf(layer, shape)]);
      const run = await runBackward(backend!, rectified, input, gradient);
      const masked = gradient.map((value, i) => (outputs[i]! > 0 ? value : 0));
      const gradients = convolveBackward(layer, shape, input, weight, masked);
      assertClose('weight gradient', run.gradients.get('conv1_1.weight'), gradients.weight, 5e-5);
      assertClose('bias gradient', run.gradients.get('conv1_1.bias'), gradients.bias, 5e-5);
      assertClose('input gradient', run.inputGradient, gradients.input, 5e-5);
    });

    it(`${name}: any number of threads gives the same bits`, async () => {
      const one = await runForward(createBackend('native', { threads: 1 }), rectified, input);
      for (const threads of [2, 3, 7]) {
        assert.deepEqual(await runForward(createBackend('native', { threads }), rectified, input), one);
      }
    });
  }

  it('NaN stays NaN through the ReLU, so that a run that diverges shows it', async () => {
    const [layer, shape] = cases[1]!;
    const testCase = { ...chainCase([layer], shape, 24), layers: [layer, relu] };
    const input = new Float32Array(elementCount(shape)).fill(Number.NaN);
    assert.ok((await runForward(backend!, testCase, input)).every(Number.isNaN));
  });
});

/** Height and width of the output. */
function mapOf({ kernel, padding }: ConvolutionLayer, [, , height, width]: Shape4): [number, number] {
  return [height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1];
}
