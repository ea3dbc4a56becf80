/** Winograd's method on a GPU, forward and to the input's gradient: maps, channels and edges of every kind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConvolutionLayer, shapesAlong } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { backendsUnderTest, openWebGpu, reference } from '../support/backends.ts';
import {
  assertSameRun,
  chainCase,
  convolution,
  inInference,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { missing } = backendsUnderTest.find(({ name }) => name === 'webgpu')!;

const direct: Tile = { threadsX: 4, threadsY: 1, rows: 4, columns: 1, depth: 0 };
const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 3, columns: 2, depth: 0 };
const shared: Tile = { threadsX: 3, threadsY: 4, rows: 2, columns: 1, depth: 2 };

/** Winograd's method wherever it can be, whatever the rule says. */
function open(size: 2 | 4, tile: Tile): Promise<WebGpuBackend> {
  const tiles = {
    gather: direct,
    weightGradient: direct,
    winograd: { size, tile, fewestChannels: 1 },
    busy: 1,
  };
  return openWebGpu({ tiles });
}

/**
 * Of the largest value, for sums over 17 to 70 channels. Direct sums in float32 have up to 1e-6; the transforms of
 * F(2×2) hardly add to that, those of F(4×4) multiply it by a few (docs/explanation/kernels.md).
 */
const TOLERANCES = { 2: 2e-6, 4: 5e-6 } as const;

const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(17, 33), [3, 17, 1, 1]],
  [convolution(33, 17), [2, 33, 7, 9]],
  [convolution(70, 20), [1, 70, 8, 4]],
  [convolution(4, 5, { padding: 0 }), [2, 4, 5, 6]],
  [convolution(5, 4, { padding: 2 }), [1, 5, 3, 2]],
  // More than the 128 rows and 64 columns that a GPU's tile has at each point.
  [convolution(33, 70), [2, 33, 35, 33]],
];

describe('webgpu: Winograd', { skip: missing ?? false }, async () => {
  const backends = missing
    ? []
    : ([
        [2, 'in registers', await open(2, inRegisters)],
        [4, 'in registers', await open(4, inRegisters)],
        [4, 'through shared memory', await open(4, shared)],
        [HARDWARE.winograd!.size, "by a GPU's rule", await open(4, HARDWARE.winograd!.tile)],
      ] as const);

  for (const [size, how, backend] of backends) {
    for (const [layer, shape] of cases) {
      const what = `F(${size}×${size}) ${how}, ${formatShape(shape)} to ${layer.outChannels}, padding ${layer.padding}`;
      it(`${what}: forward and back, with ReLU on both sides`, async () => {
        const layers = [relu('before'), layer, relu('after')];
        const testCase = chainCase(layers, shape, 51);
        const input = randomTensor(52, shape);
        const gradient = randomTensor(53, shapesAlong(layers, shape).at(-1)!);
        const expected = await runBackward(reference, testCase, input, gradient);
        const run = await runBackward(backend, testCase, input, gradient);
        const tolerance = TOLERANCES[size];
        assertClose('output', run.output, expected.output, tolerance);
        assertClose('inference', await runForward(backend, testCase, input), expected.output, tolerance);
        assertClose('input gradient', run.inputGradient, expected.inputGradient, tolerance);
      });
    }
  }

  it("Winograd's method really runs: 3×3 has other last bits than the direct sum, 1×1 the same", async () => {
    const tiles = { gather: direct, weightGradient: direct, busy: 1 };
    const plain = await openWebGpu({ tiles });
    for (const kernel of [1, 3]) {
      const testCase = chainCase([convolution(17, 9, { kernel })], [1, 17, 6, 6], 54);
      const input = randomTensor(55, [1, 17, 6, 6]);
      const [ours, other] = [
        await runForward(backends[1]![2], testCase, input),
        await runForward(plain, testCase, input),
      ];
      if (kernel === 1) assert.deepEqual(ours, other);
      else assert.notDeepEqual(ours, other);
    }
  });

  it("the ReLU below masks the input's gradient; two layers share their buffers", async () => {
    const layers = [
      convolution(6, 21, { name: 'conv1' }),
      relu('relu1'),
      convolution(21, 18, { name: 'conv2' }),
      relu('relu2'),
    ];
    const testCase = chainCase(layers, [2, 6, 10, 7], 56);
    const [input, gradient] = [randomTensor(57, [2, 6, 10, 7]), randomTensor(58, [2, 18, 10, 7])];
    const expected = await runBackward(reference, testCase, input, gradient);
    assertSameRun(await runBackward(backends[1]![2], testCase, input, gradient), expected, 1e-5);
  });

  it('a batch in several chunks, and a part of it that fills only the first, give what one image gives', async () => {
    // 500 tiles, of which a chunk of 32 MiB holds 227, as each has 1024 channels at 36 points.
    const layer = convolution(4, 1024);
    const shape: Shape4 = [5, 4, 40, 40];
    const testCase = chainCase([layer], shape, 59);
    const input = randomTensor(60, shape);
    const backend = backends[1]![2];
    const all = await runForward(backend, testCase, input);
    const one = await runForward(backend, testCase, input.slice(0, 4 * 40 * 40));
    assert.deepEqual(all.slice(0, one.length), one);
    const last = await runForward(
      backend,
      { ...testCase, inputShape: [1, 4, 40, 40] },
      input.slice(4 * 4 * 40 * 40),
    );
    assert.deepEqual(all.slice(4 * one.length), last);
  });

  it('NaN stays NaN, and in its tile', async () => {
    const testCase = chainCase([convolution(8, 8), relu('relu')], [1, 8, 12, 12], 61);
    const input = randomTensor(62, [1, 8, 12, 12]);
    input[0] = Number.NaN;
    const output = await runForward(backends[1]![2], testCase, input);
    assert.ok(Number.isNaN(output[0]));
    assert.ok(!Number.isNaN(output[143]));
  });

  it('transforms weights again when they change', async () => {
    const testCase = { layers: [convolution(5, 4)], inputShape: [1, 5, 1, 1] as const, values: new Map() };
    await inInference(backends[1]![2], testCase, async (program, parameters) => {
      const ones = new Float32Array(5).fill(1);
      for (const weight of [1, 0.5]) {
        await parameters.write('values', 'conv.weight', new Float32Array(180).fill(weight));
        const once = await program.forward(ones);
        assertClose('output', once, new Float32Array(4).fill(5 * weight), 1e-5);
        assert.deepEqual(await program.forward(ones), once);
      }
    });
  });
});
