/**
 * Our own 3×3 kernels, beyond the conformance suite: their accuracy against double precision, and that neither the
 * number of threads nor the division of the work changes a bit.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConvolutionLayer, Layer } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { assertSameForAnyThreads } from '../support/agreement.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { type ChainCase, convolution, maxPool, relu, runBackward, runForward } from '../support/chains.ts';
import { assertConvolved, convolve, convolveBackward } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip } = nativeUnderTest;

/** He-scaled weights: outputs are about as large as inputs. */
function caseOf(layers: readonly Layer[], inputShape: Shape4): ChainCase {
  const { inChannels, outChannels } = layers[0] as ConvolutionLayer;
  const shape = [outChannels, inChannels, 3, 3];
  return {
    layers: [...layers],
    inputShape,
    values: new Map([
      ['conv.weight', randomTensor(1, shape, Math.sqrt(2 / (9 * inChannels)))],
      ['conv.bias', randomTensor(2, [outChannels])],
    ]),
  };
}

describe('native: own 3×3 kernels', { skip }, () => {
  const create = (options: Parameters<typeof createBackend>[1]): Backend => createBackend('native', options);

  describe('accuracy against double precision', () => {
    const backend = skip ? undefined : create({ threads: 2 });
    // The channels of E's layers on small maps, as the error grows with the channels but hardly with the map. Maps of
    // 2×2 have separate transforms.
    const shapes: readonly [number, Shape4][] = [
      [64, [1, 64, 20, 20]],
      [128, [1, 64, 16, 16]],
      [128, [1, 128, 16, 12]],
      [256, [1, 256, 9, 8]],
      [512, [1, 256, 8, 8]],
      [512, [1, 512, 5, 4]],
      [512, [5, 512, 2, 2]],
      [70, [130, 40, 2, 2]],
      [33, [6, 17, 4, 1]],
    ];
    for (const [outChannels, shape] of shapes) {
      it(`${formatShape(shape)} to ${outChannels}: 5e-6 of the largest output, gradients 5e-5`, async () => {
        const layer = convolution(shape[1], outChannels);
        const testCase = caseOf([layer], shape);
        const [weight, bias] = [testCase.values.get('conv.weight')!, testCase.values.get('conv.bias')!];
        const input = randomTensor(3, shape);
        const outputGradient = randomTensor(4, [shape[0], outChannels, shape[2], shape[3]]);
        const run = await runBackward(backend!, testCase, input, outputGradient);
        const output = convolve(layer, shape, input, weight, bias);
        const gradients = convolveBackward(layer, shape, input, weight, outputGradient);
        assertConvolved(run, { output, ...gradients }, 5e-5, 5e-6);
      });
    }
  });

  // Maps of one or many blocks of tiles, channels divided among threads in different ways, a pool, odd sizes.
  const pool = maxPool();
  const chains: readonly [Layer[], Shape4][] = [
    [
      [convolution(16, 24), relu()],
      [3, 16, 45, 50],
    ],
    [
      [convolution(64, 64), relu(), pool],
      [1, 64, 64, 70],
    ],
    // Enough tiles for the weight gradient to be summed in several chunks.
    [
      [convolution(16, 24), relu()],
      [9, 16, 60, 64],
    ],
    [[convolution(40, 300)], [33, 40, 5, 3]],
    [
      [convolution(512, 520), relu()],
      [2, 512, 14, 14],
    ],
    [
      [convolution(17, 9), relu(), pool],
      [7, 17, 11, 13],
    ],
    [[convolution(8, 8)], [5, 8, 2, 2]],
    [
      [convolution(70, 100), relu()],
      [33, 70, 2, 2],
    ],
    [
      [convolution(24, 9), relu(), pool],
      [11, 24, 2, 2],
    ],
  ];
  for (const [layers, shape] of chains) {
    const names = layers.map(({ kind }) => kind).join(', ');
    it(`${names} of ${formatShape(shape)}: any number of threads gives the same bits`, async () => {
      const testCase = caseOf(layers, shape);
      const input = randomTensor(5, shape);
      await assertSameForAnyThreads(async (threads) => {
        const backend = create({ threads });
        const inference = await runForward(backend, testCase, input);
        const outputGradient = randomTensor(6, [inference.length]);
        const run = await runBackward(backend, testCase, input, outputGradient);
        assert.deepEqual(run.output, inference);
        return run;
      });
    });

    // The reference takes too long for more channels, which the tests of accuracy have.
    if (shape[1] > 256) continue;
    it(`${names} of ${formatShape(shape)}: agrees with the reference`, async () => {
      const testCase = caseOf(layers, shape);
      const input = randomTensor(7, shape);
      const own = create({ threads: 2 });
      const other = createBackend('reference');
      const expected = await runForward(other, testCase, input);
      assertClose('output', await runForward(own, testCase, input), expected, 1e-5);
      // Not after a pool, as a near tie may select another value of the window.
      if (layers.includes(pool)) return;
      const outputGradient = randomTensor(8, [expected.length]);
      const a = await runBackward(own, testCase, input, outputGradient);
      const b = await runBackward(other, testCase, input, outputGradient);
      assertClose('weight gradient', a.gradients.get('conv.weight'), b.gradients.get('conv.weight')!, 5e-5);
      assertClose('input gradient', a.inputGradient, b.inputGradient!, 5e-5);
    });
  }
});
