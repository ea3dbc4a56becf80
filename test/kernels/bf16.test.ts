/** Inference that multiplies in bfloat16: accuracy, reproducibility, and when it is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError, UserError } from '../../src/core/errors.ts';
import type { ConvolutionLayer } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Addon } from '../../src/kernels/native/addon.ts';
import { NativeBackend } from '../../src/kernels/native/native-backend.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import { assertSameForAnyThreads } from '../support/agreement.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { lacksBf16 } from '../support/bf16.ts';
import {
  chainCase,
  convolution,
  inInference,
  maxPool,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { convolve } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const skip = nativeUnderTest.skip || lacksBf16;

const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(64, 64), [2, 64, 20, 18]],
  [convolution(17, 33), [3, 17, 7, 9]],
  [convolution(512, 128), [1, 512, 8, 8]],
  [convolution(300, 27, { kernel: 5, padding: 0 }), [5, 300, 5, 5]],
  [convolution(512, 30, { kernel: 7, padding: 0 }), [1, 512, 7, 7]],
  [convolution(901, 11, { kernel: 3, padding: 0 }), [40, 901, 3, 3]],
];

describe('native: bfloat16', { skip }, () => {
  const fast = (threads: number) => createBackend('native', { threads, precision: 'bf16' });

  for (const [layer, shape] of cases) {
    const testCase = chainCase([layer], shape, 21);
    const [weight, bias] = [testCase.values.get('conv.weight')!, testCase.values.get('conv.bias')!];
    const input = randomTensor(22, shape);
    const what = `${formatShape(shape)}, ${layer.kernel}×${layer.kernel} to ${layer.outChannels}`;

    // Rounding a factor to eight bits gives an error of up to 2⁻⁹ = 0.2 %. The sum of many such errors, which Winograd's
    // method multiplies by ten, stays under 2 % of the largest output. Errors in float32 are thousands of times smaller.
    it(`${what}: within 2 % of the largest output`, async () => {
      assertClose(
        'output',
        await runForward(fast(2), testCase, input),
        convolve(layer, shape, input, weight, bias),
        0.02,
      );
    });

    it(`${what}: differs from float32`, async () => {
      const exact = await runForward(createBackend('native', { threads: 2 }), testCase, input);
      assert.notDeepEqual(await runForward(fast(2), testCase, input), exact);
    });

    it(`${what}: any number of threads gives the same bits`, () =>
      assertSameForAnyThreads((threads) => runForward(fast(threads), testCase, input)));
  }

  it('ReLU and pooling work as in float32', async () => {
    const testCase = chainCase([convolution(32, 48), relu(), maxPool()], [2, 32, 11, 13], 23);
    const input = randomTensor(24, [2, 32, 11, 13]);
    const exact = await runForward(createBackend('native', { threads: 2 }), testCase, input);
    assertClose('output', await runForward(fast(2), testCase, input), exact, 0.02);
  });

  it('training is in float32', async () => {
    const shape: Shape4 = [2, 20, 9, 8];
    const testCase = chainCase([convolution(20, 24), relu()], shape, 25);
    const [input, gradient] = [randomTensor(26, shape), randomTensor(27, [2, 24, 9, 8])];
    const exact = await runBackward(createBackend('native', { threads: 2 }), testCase, input, gradient);
    assert.deepEqual(await runBackward(fast(2), testCase, input, gradient), exact);
  });

  it('NaN stays NaN', async () => {
    const shape: Shape4 = [1, 16, 6, 6];
    const testCase = chainCase([convolution(16, 16), relu()], shape, 28);
    const input = randomTensor(29, shape);
    input[0] = Number.NaN;
    const output = await runForward(fast(1), testCase, input);
    assert.ok(Number.isNaN(output[0]));
    assert.ok(!Number.isNaN(output[35]));
  });

  it('rounds weights again when they change', async () => {
    const layer = convolution(64, 8, { kernel: 1, padding: 0 });
    const testCase = chainCase([layer], [1, 64, 1, 1], 0);
    await inInference(fast(2), testCase, async (program, parameters) => {
      const input = new Float32Array(64).fill(1);
      for (const weight of [1, 0.5]) {
        await parameters.write('values', 'conv.weight', new Float32Array(512).fill(weight));
        await parameters.write('values', 'conv.bias', new Float32Array(8));
        assert.deepEqual(await program.forward(input), new Float32Array(8).fill(64 * weight));
      }
    });
  });
});

describe('bfloat16 where unsupported', () => {
  it('is refused by the reference', () => {
    assert.throws(() => createBackend('reference', { precision: 'bf16' }), UsageError);
  });

  it('is refused on a processor without it; the message names processors that support it', () => {
    const addon = { library: () => ({ isa: 'AVX2' }) } as Addon;
    assert.throws(
      () => new NativeBackend(addon, { threads: 1, precision: 'bf16', schedules: undefined }),
      (error: Error) => error instanceof UserError && /AVX-512 BF16 .*Zen 4.*use fp32/.test(error.message),
    );
  });
});
