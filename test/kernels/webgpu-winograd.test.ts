/** Winograd's method on a GPU, in all three directions: maps, channels, edges, chunks and splits of every kind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConvolutionLayer, type Layer, shapesAlong } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { openWebGpu, reference, webgpuUnderTest } from '../support/backends.ts';
import {
  assertSameRun,
  type BackwardRun,
  type ChainCase,
  chainCase,
  convolution,
  inInference,
  inTraining,
  readAll,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip } = webgpuUnderTest;

const direct: Tile = { threadsX: 4, threadsY: 1, rows: 4, columns: 1, depth: 0 };

/**
 * Of the largest value, for sums over 17 to 70 channels. Direct sums in float32 have errors of up to 1e-6. The
 * transforms of F(2×2) hardly add to that; those of F(4×4) multiply it by a few (docs/explanation/kernels.md).
 */
const TOLERANCES = { 2: 2e-6, 4: 5e-6 } as const;

/** A chain run forward and backward on random tensors, by a backend and by the reference. */
interface Comparison {
  readonly testCase: ChainCase;
  readonly input: Float32Array;
  readonly gradient: Float32Array;
  readonly run: BackwardRun;
  readonly expected: BackwardRun;
}

async function compare(
  backend: WebGpuBackend,
  layers: readonly Layer[],
  shape: Shape4,
  seed: number,
): Promise<Comparison> {
  const testCase = chainCase(layers, shape, seed);
  const input = randomTensor(seed + 1, shape);
  const gradient = randomTensor(seed + 2, shapesAlong(layers, shape).at(-1)!);
  const expected = await runBackward(reference, testCase, input, gradient);
  return { testCase, input, gradient, run: await runBackward(backend, testCase, input, gradient), expected };
}

/** Only 3×3 convolutions use Winograd's method, and only for these results, whose last bits then differ. */
async function assertUsedFor(results: readonly (keyof BackwardRun)[], backend: WebGpuBackend): Promise<void> {
  const plain = await openWebGpu({ tiles: { gather: direct, weightGradient: direct, busy: 1 } });
  for (const kernel of [1, 3]) {
    const testCase = chainCase([convolution(17, 9, { kernel })], [1, 17, 6, 6], 77);
    const [input, gradient] = [randomTensor(78, [1, 17, 6, 6]), randomTensor(79, [1, 9, 6, 6])];
    const ours = await runBackward(backend, testCase, input, gradient);
    const other = await runBackward(plain, testCase, input, gradient);
    for (const result of ['output', 'inputGradient', 'gradients'] as const) {
      if (kernel === 3 && results.includes(result)) assert.notDeepEqual(ours[result], other[result]);
      else assert.deepEqual(ours[result], other[result]);
    }
    assert.deepEqual(await runForward(backend, testCase, input), ours.output);
  }
}

const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(17, 33), [3, 17, 1, 1]],
  [convolution(3, 20), [1, 3, 13, 11]],
  [convolution(33, 17), [3, 33, 7, 9]],
  [convolution(70, 20), [1, 70, 8, 4]],
  [convolution(4, 5, { padding: 0 }), [2, 4, 5, 6]],
  [convolution(5, 4, { padding: 2 }), [1, 5, 3, 2]],
];

function title(size: number, how: string, layer: ConvolutionLayer, shape: Shape4): string {
  return `F(${size}×${size}) ${how}, ${formatShape(shape)} to ${layer.outChannels}, padding ${layer.padding}`;
}

describe('webgpu: Winograd, forward and for the input gradient', { skip }, async () => {
  const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 3, columns: 2, depth: 0 };
  const shared: Tile = { threadsX: 3, threadsY: 4, rows: 2, columns: 1, depth: 2 };

  /** Uses Winograd's method wherever possible; the weights' gradient is direct. */
  const open = (size: 2 | 4, tile: Tile): Promise<WebGpuBackend> => {
    const winograd = { size, tile, fewestChannels: 1 };
    return openWebGpu({ tiles: { gather: direct, weightGradient: direct, winograd, busy: 1 } });
  };
  const backends = skip
    ? []
    : ([
        [2, 'in registers', await open(2, inRegisters)],
        [4, 'in registers', await open(4, inRegisters)],
        [4, 'through shared memory', await open(4, shared)],
        [HARDWARE.winograd!.size, "with a GPU's tile", await open(4, HARDWARE.winograd!.tile)],
      ] as const);
  const fourInRegisters = () => backends[1]![2];

  // The last case has more than the 128 rows and 64 columns that a GPU's tile has at each point.
  const ownCases = [...cases, [convolution(33, 70), [2, 33, 35, 33]] as const];
  for (const [size, how, backend] of backends) {
    for (const [layer, shape] of ownCases) {
      it(`${title(size, how, layer, shape)}: with a ReLU before and after`, async () => {
        const layers = [relu('before'), layer, relu('after')];
        const { testCase, input, run, expected } = await compare(backend, layers, shape, 51);
        const tolerance = TOLERANCES[size];
        assertClose('output', run.output, expected.output, tolerance);
        assertClose('inference', await runForward(backend, testCase, input), expected.output, tolerance);
        assertClose('input gradient', run.inputGradient, expected.inputGradient, tolerance);
      });
    }
  }

  it('is used for 3×3 convolutions only', () =>
    assertUsedFor(['output', 'inputGradient'], fourInRegisters()));

  it("the preceding ReLU masks the input's gradient; two layers share their buffers", async () => {
    const layers = [
      convolution(6, 21, { name: 'conv1' }),
      relu('relu1'),
      convolution(21, 18, { name: 'conv2' }),
      relu('relu2'),
    ];
    const { run, expected } = await compare(fourInRegisters(), layers, [2, 6, 10, 7], 56);
    assertSameRun(run, expected, 1e-5);
  });

  it('a batch in several chunks, and a partial batch that fills only the first, equal single images', async () => {
    // 500 tiles, of which a chunk of 32 MiB holds 227, as each has 1024 channels at 36 points.
    const shape: Shape4 = [5, 4, 40, 40];
    const testCase = chainCase([convolution(4, 1024)], shape, 59);
    const input = randomTensor(60, shape);
    const backend = fourInRegisters();
    const all = await runForward(backend, testCase, input);
    const one = await runForward(backend, testCase, input.slice(0, 4 * 40 * 40));
    assert.deepEqual(all.slice(0, one.length), one);
    const alone: ChainCase = { ...testCase, inputShape: [1, 4, 40, 40] };
    assert.deepEqual(
      all.slice(4 * one.length),
      await runForward(backend, alone, input.slice(4 * 4 * 40 * 40)),
    );
  });

  it('NaN stays NaN, within its tile', async () => {
    const testCase = chainCase([convolution(8, 8), relu('relu')], [1, 8, 12, 12], 61);
    const input = randomTensor(62, [1, 8, 12, 12]);
    input[0] = Number.NaN;
    const output = await runForward(fourInRegisters(), testCase, input);
    assert.ok(Number.isNaN(output[0]));
    assert.ok(!Number.isNaN(output[143]));
  });

  it('transforms weights again when they change', async () => {
    const testCase = { layers: [convolution(5, 4)], inputShape: [1, 5, 1, 1] as const, values: new Map() };
    await inInference(fourInRegisters(), testCase, async (program, parameters) => {
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

describe('webgpu: Winograd for the weight gradient', { skip }, async () => {
  const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 2, columns: 3, depth: 0 };
  const shared: Tile = { threadsX: 3, threadsY: 2, rows: 2, columns: 1, depth: 5 };
  const name = 'conv.weight';

  /** Uses Winograd's method for the weights' gradient wherever possible; all else is direct. */
  const open = (size: 2 | 4, tile: Tile, busy: number): Promise<WebGpuBackend> => {
    const winogradWeights = { size, tile, fewestChannels: 1, fewestPixels: 1 };
    return openWebGpu({ tiles: { gather: direct, weightGradient: direct, winogradWeights, busy } });
  };
  const backends = skip
    ? []
    : ([
        [2, 'in registers', await open(2, inRegisters, 1)],
        [4, 'in registers', await open(4, inRegisters, 1)],
        [4, 'through shared memory', await open(4, shared, 1)],
        [4, "with a GPU's tile", await open(4, HARDWARE.winogradWeights!.tile, 512)],
      ] as const);

  async function assertGradient(
    backend: WebGpuBackend,
    layer: ConvolutionLayer,
    shape: Shape4,
    tolerance: number,
  ): Promise<void> {
    const { testCase, input, gradient, run, expected } = await compare(backend, [layer], shape, 71);
    assertClose(name, run.gradients.get(name), expected.gradients.get(name)!, tolerance);
    assert.deepEqual((await runBackward(backend, testCase, input, gradient)).gradients, run.gradients);
  }

  // The last case has more than the 64 rows and 64 columns that a GPU's tile has at each point.
  const ownCases = [...cases, [convolution(66, 70), [1, 66, 18, 15]] as const];
  for (const [size, how, backend] of backends) {
    for (const [layer, shape] of ownCases) {
      it(`${title(size, how, layer, shape)}: agrees with the reference, and repeats its bits`, () =>
        assertGradient(backend, layer, shape, TOLERANCES[size]));
    }
  }

  for (const [how, tile] of [
    ['in registers', inRegisters],
    ['through shared memory', shared],
  ] as const) {
    it(`a sum in 5 parts, the last of which has fewer tiles, ${how}`, async () => {
      // 171 tiles, and a target of so many workgroups that a sum is split as far as allowed.
      await assertGradient(await open(4, tile, 10_000), convolution(9, 6), [1, 9, 34, 73], TOLERANCES[4]);
    });
  }

  it('a batch in several chunks, then a partial batch smaller than a chunk: gradients add up', async () => {
    // 300 tiles, of which a chunk of 32 MiB holds 227, as each has 1024 channels at 36 points; each chunk in 4 parts.
    const backend = await open(4, inRegisters, 8192);
    const shape: Shape4 = [3, 4, 40, 40];
    const testCase = chainCase([convolution(4, 1024)], shape, 74);
    const input = randomTensor(75, shape);
    const gradient = randomTensor(76, [3, 1024, 40, 40]);
    const [one, oneGradient] = [input.slice(0, input.length / 3), gradient.slice(0, gradient.length / 3)];
    const sums = await inTraining(backend, testCase, async (program, parameters) => {
      await program.backward({ input }, gradient);
      await program.backward({ input: one }, oneGradient);
      return readAll(parameters, 'gradients');
    });
    const all = await runBackward(reference, testCase, input, gradient);
    const first = await runBackward(reference, { ...testCase, inputShape: [1, 4, 40, 40] }, one, oneGradient);
    const expected = all.gradients.get(name)!.map((value, at) => value + first.gradients.get(name)![at]!);
    assertClose(name, sums.get(name), expected, TOLERANCES[4]);
  });

  it('is used for 3×3 convolutions only', () => assertUsedFor(['gradients'], backends[1]![2]));

  it('NaN in a layer or its gradient reaches the weights of its channel, and no others', async () => {
    const testCase = chainCase([convolution(8, 8)], [1, 8, 12, 12], 80);
    const shape: Shape4 = [1, 8, 12, 12];
    for (const [inInput, channel] of [
      [true, 5],
      [false, 2],
    ] as const) {
      const [input, gradient] = [randomTensor(81, shape), randomTensor(82, shape)];
      (inInput ? input : gradient)[channel * 144 + 70] = Number.NaN;
      const run = await runBackward(backends[1]![2], testCase, input, gradient);
      const weights = run.gradients.get(name)!;
      assert.equal(weights.length, elementCount([8, 8, 3, 3]));
      weights.forEach((value, at) => {
        const [o, c] = [Math.floor(at / 72), Math.floor(at / 9) % 8];
        assert.equal(Number.isNaN(value), (inInput ? c : o) === channel, `weight ${at}`);
      });
    }
  });
});
