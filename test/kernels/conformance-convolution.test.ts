import { it } from 'node:test';
import { outputShape } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { describeBackends } from '../support/backends.ts';
import { chainCase, convolution, runBackward, runForward } from '../support/chains.ts';
import { assertConvolved, convolve, convolveBackward } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

/** kernel, padding, output channels, input shape */
const CASES: readonly [kernel: number, padding: number, outChannels: number, input: Shape4][] = [
  // 3×3, padding 1 (section 2.1): maps of one pixel and more, odd extents, channels around multiples of 4, 8 and 16.
  [3, 1, 1, [1, 1, 1, 1]],
  [3, 1, 5, [2, 3, 1, 1]],
  [3, 1, 3, [1, 5, 2, 1]],
  [3, 1, 17, [2, 5, 3, 7]],
  [3, 1, 16, [1, 16, 4, 4]],
  [3, 1, 32, [2, 16, 8, 8]],
  [3, 1, 33, [1, 17, 5, 6]],
  [3, 1, 5, [3, 17, 9, 11]],
  [3, 1, 64, [1, 3, 13, 10]],
  [3, 1, 20, [2, 24, 29, 31]],
  [3, 1, 64, [2, 64, 14, 14]],
  [3, 1, 130, [1, 66, 7, 5]],
  // 1×1: configuration C, fc7, fc8.
  [1, 0, 1, [1, 1, 1, 1]],
  [1, 0, 17, [3, 5, 1, 1]],
  [1, 0, 10, [4, 48, 1, 1]],
  [1, 0, 5, [2, 17, 5, 3]],
  [1, 0, 32, [1, 16, 6, 7]],
  // 5×5, padding 2: B-5x5.
  [5, 2, 3, [1, 1, 1, 1]],
  [5, 2, 5, [2, 3, 7, 5]],
  [5, 2, 17, [1, 16, 9, 8]],
  // No padding: fc6 on several crops, on its own map and on larger ones.
  [7, 0, 5, [2, 3, 7, 7]],
  [7, 0, 17, [1, 16, 9, 8]],
  [2, 0, 5, [2, 17, 2, 2]],
  [4, 0, 6, [1, 5, 5, 4]],
  [1, 0, 40, [3, 18, 1, 1]],
  // Other combinations of kernel and padding.
  [3, 0, 5, [2, 3, 5, 4]],
  [3, 2, 3, [1, 5, 4, 3]],
  [2, 1, 3, [1, 2, 3, 4]],
  [5, 0, 3, [1, 4, 6, 5]],
];

describeBackends('convolution', (backend, { layerTolerance }) => {
  for (const [index, [kernel, padding, outChannels, shape]] of CASES.entries()) {
    const layer = convolution(shape[1], outChannels, { kernel, padding });
    const title = `${kernel}×${kernel}, padding ${padding}, ${formatShape(shape)} to ${outChannels} channels`;
    const testCase = chainCase([layer], shape, index);
    const weight = testCase.values.get('conv.weight')!;
    const bias = testCase.values.get('conv.bias')!;
    const input = randomTensor(500 + index, shape);

    it(`forward: ${title}`, async () => {
      const expected = convolve(layer, shape, input, weight, bias);
      assertClose('output', await runForward(backend, testCase, input), expected, layerTolerance);
    });

    it(`backward: ${title}`, async () => {
      const outputGradient = randomTensor(900 + index, outputShape(layer, shape));
      const run = await runBackward(backend, testCase, input, outputGradient);
      const expected = convolveBackward(layer, shape, input, weight, outputGradient);
      const output = convolve(layer, shape, input, weight, bias);
      assertConvolved(run, { output, ...expected }, layerTolerance);
    });
  }

  it('zero parameters give zero', async () => {
    const layer = convolution(3, 5);
    const shape: Shape4 = [1, 3, 6, 6];
    const output = await runForward(
      backend,
      { layers: [layer], inputShape: shape, values: new Map() },
      randomTensor(1, shape),
    );
    assertClose('output', output, new Float32Array(elementCount(outputShape(layer, shape))), 0);
  });
});
