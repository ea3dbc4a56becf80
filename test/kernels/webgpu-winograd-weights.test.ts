/** The weights' gradient by Winograd's method on a GPU: maps, channels, edges, chunks and splits of every kind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConvolutionLayer, shapesAlong } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { backendsUnderTest, openWebGpu, reference } from '../support/backends.ts';
import { chainCase, convolution, inTraining, readAll, runBackward } from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { missing } = backendsUnderTest.find(({ name }) => name === 'webgpu')!;

const direct: Tile = { threadsX: 4, threadsY: 1, rows: 4, columns: 1, depth: 0 };
const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 2, columns: 3, depth: 0 };
const shared: Tile = { threadsX: 3, threadsY: 2, rows: 2, columns: 1, depth: 5 };

/** The weights' gradient by Winograd's method wherever it can be; all else direct. */
function open(size: 2 | 4, tile: Tile, busy: number): Promise<WebGpuBackend> {
  const winogradWeights = { size, tile, fewestChannels: 1, fewestPixels: 1 };
  const tiles = { gather: direct, weightGradient: direct, winogradWeights, busy };
  return openWebGpu({ tiles });
}

/** Of the largest value, as forward and to the input's gradient (webgpu-winograd.test.ts). */
const TOLERANCES = { 2: 2e-6, 4: 5e-6 } as const;

async function assertGradient(
  backend: WebGpuBackend,
  layer: ConvolutionLayer,
  shape: Shape4,
  tolerance: number,
): Promise<void> {
  const testCase = chainCase([layer], shape, 71);
  const input = randomTensor(72, shape);
  const gradient = randomTensor(73, shapesAlong([layer], shape).at(-1)!);
  const expected = await runBackward(reference, testCase, input, gradient);
  const run = await runBackward(backend, testCase, input, gradient);
  const name = 'conv.weight';
  assertClose(name, run.gradients.get(name), expected.gradients.get(name)!, tolerance);
  assert.deepEqual((await runBackward(backend, testCase, input, gradient)).gradients, run.gradients);
}

const cases: readonly [ConvolutionLayer, Shape4][] = [
  [convolution(17, 33), [3, 17, 1, 1]],
  [convolution(3, 20), [1, 3, 13, 11]],
  [convolution(33, 17), [3, 33, 7, 9]],
  [convolution(70, 20), [1, 70, 8, 4]],
  [convolution(4, 5, { padding: 0 }), [2, 4, 5, 6]],
  [convolution(5, 4, { padding: 2 }), [1, 5, 3, 2]],
  // More than the 64 rows and 64 columns that a GPU's tile has at each point.
  [convolution(66, 70), [1, 66, 18, 15]],
];

describe('webgpu: Winograd for the weights’ gradient', { skip: missing ?? false }, async () => {
  const backends = missing
    ? []
    : ([
        [2, 'in registers', await open(2, inRegisters, 1)],
        [4, 'in registers', await open(4, inRegisters, 1)],
        [4, 'through shared memory', await open(4, shared, 1)],
        [4, "by a GPU's tile", await open(4, HARDWARE.winogradWeights!.tile, 512)],
      ] as const);

  for (const [size, how, backend] of backends) {
    for (const [layer, shape] of cases) {
      const what = `${formatShape(shape)} to ${layer.outChannels}, padding ${layer.padding}`;
      it(`F(${size}×${size}) ${how}, ${what}: as the reference has it, and twice the same bits`, () =>
        assertGradient(backend, layer, shape, TOLERANCES[size]));
    }
  }

  for (const [how, tile] of [
    ['in registers', inRegisters],
    ['through shared memory', shared],
  ] as const) {
    it(`a sum in 5 parts, of which the last has fewer tiles, ${how}`, async () => {
      // 171 tiles, and enough wanted workgroups to split a sum as far as allowed.
      await assertGradient(await open(4, tile, 10_000), convolution(9, 6), [1, 9, 34, 73], TOLERANCES[4]);
    });
  }

  it('a batch in several chunks; a part of it smaller than the first; gradients add up', async () => {
    // 300 tiles, of which a chunk of 32 MiB holds 227, as each has 1024 channels at 36 points; each in 4 parts.
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
    const name = 'conv.weight';
    const expected = all.gradients.get(name)!.map((value, at) => value + first.gradients.get(name)![at]!);
    assertClose(name, sums.get(name), expected, TOLERANCES[4]);
  });

  it("Winograd's method really runs: 3×3 has other last bits than the direct sum, 1×1 the same", async () => {
    const plain = await openWebGpu({ tiles: { gather: direct, weightGradient: direct, busy: 1 } });
    for (const kernel of [1, 3]) {
      const testCase = chainCase([convolution(17, 9, { kernel })], [1, 17, 6, 6], 77);
      const input = randomTensor(78, [1, 17, 6, 6]);
      const gradient = randomTensor(79, [1, 9, 6, 6]);
      const [ours, other] = [
        await runBackward(backends[1]![2], testCase, input, gradient),
        await runBackward(plain, testCase, input, gradient),
      ];
      if (kernel === 1) assert.deepEqual(ours, other);
      else assert.notDeepEqual(ours.gradients, other.gradients);
      assert.deepEqual(ours.inputGradient, other.inputGradient);
    }
  });

  it('NaN in a layer or its gradient reaches the weights of its channel, and no other', async () => {
    const testCase = chainCase([convolution(8, 8)], [1, 8, 12, 12], 80);
    const shape: Shape4 = [1, 8, 12, 12];
    for (const [inInput, channel] of [
      [true, 5],
      [false, 2],
    ] as const) {
      const [input, gradient] = [randomTensor(81, shape), randomTensor(82, shape)];
      (inInput ? input : gradient)[channel * 144 + 70] = Number.NaN;
      const run = await runBackward(backends[1]![2], testCase, input, gradient);
      const weights = run.gradients.get('conv.weight')!;
      assert.equal(weights.length, elementCount([8, 8, 3, 3]));
      weights.forEach((value, at) => {
        const [o, c] = [Math.floor(at / 72), Math.floor(at / 9) % 8];
        assert.equal(Number.isNaN(value), (inInput ? c : o) === channel, `weight ${at}`);
      });
    }
  });
});
