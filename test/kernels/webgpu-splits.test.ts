/** fc6 to fc8 with few images on a GPU: sums are split into parts to keep the device busy. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConvolutionLayer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { isConvolution, stagesOf } from '../../src/kernels/webgpu/stages.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import {
  type Choice,
  candidatesFor,
  choiceName,
  defaultChoice,
} from '../../src/kernels/webgpu/tuning/candidates.ts';
import { TileLines } from '../../src/kernels/webgpu/tuning/remembered-tiles.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { openWebGpu, reference, webgpuUnderTest } from '../support/backends.ts';
import {
  assertAllClose,
  chainCase,
  convolution,
  inInference,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip, layerTolerance } = webgpuUnderTest;

const inRegisters: Tile = { threadsX: 4, threadsY: 1, rows: 3, columns: 1, depth: 0 };
const shared: Tile = { threadsX: 4, threadsY: 2, rows: 1, columns: 1, depth: 3 };
const fc = (kernel: number, inChannels: number, outChannels: number) =>
  convolution(inChannels, outChannels, { kernel, padding: 0, name: 'fc' });

const cases: readonly [ConvolutionLayer, Shape4][] = [
  // Like fc6, fc7, and dense evaluation; sums of 245, 150 and 68 vectors, which do not divide evenly into parts.
  [fc(7, 18, 42), [2, 18, 7, 7]],
  [fc(1, 600, 21), [1, 600, 1, 1]],
  [fc(2, 65, 9), [3, 65, 4, 5]],
];

/** Opens a backend that splits the layer's sum. */
function open(
  tile: Tile,
  layer: ConvolutionLayer,
  shape: Shape4,
  options: GpuOptions = {},
): Promise<WebGpuBackend> {
  const tiles = { gather: inRegisters, weightGradient: { ...inRegisters, rows: 1 }, busy: 64 };
  const candidates = { gather: [], weightGradient: [], winograd: [], winogradWeights: [], split: [tile] };
  const choice = splitChoice({ tiles, candidates }, layer, shape);
  const key = [...shape, layer.outChannels, layer.kernel, layer.padding].join('-');
  const lines = ['inference', 'forward'].map((pass) => `${pass}-${key} ${choiceName(choice)}`);
  const schedules = new TileLines(lines);
  return openWebGpu({ tiles, candidates, schedules, tuningSeconds: 0, ...options });
}

function splitChoice(
  gpu: Parameters<typeof candidatesFor>[0],
  layer: ConvolutionLayer,
  shape: Shape4,
): Choice & { method: 'direct' } {
  const side = (extent: number) => extent - layer.kernel + 1;
  const output: Shape4 = [shape[0], layer.outChannels, side(shape[2]), side(shape[3])];
  const placed = stagesOf([layer], [shape, output], false).find(isConvolution)!;
  const all = candidatesFor(gpu, { panelsOf: () => [] }, 'forward', placed);
  const choice = all.find((candidate) => candidate.method === 'direct' && (candidate.splits ?? 1) > 1);
  assert.ok(choice?.method === 'direct');
  return choice;
}

describe('webgpu: sums in parts', { skip }, () => {
  for (const [layer, shape] of cases) {
    for (const [how, tile] of [
      ['in registers', inRegisters],
      ['through shared memory', shared],
    ] as const) {
      it(`${layer.kernel}×${layer.kernel}, ${shape.join('×')} to ${layer.outChannels}, ${how}: equals a single sum`, async () => {
        const backend = await open(tile, layer, shape);
        const testCase = chainCase([layer, relu()], shape, 71);
        const input = randomTensor(72, shape);
        const expected = await runForward(reference, testCase, input);
        const output = await runForward(backend, testCase, input);
        assertClose('output', output, expected, layerTolerance);
        assert.deepEqual(await runForward(backend, testCase, input), output, 'the same bits each time');
        const gradient = randomTensor(73, [shape[0], output.length / shape[0]]);
        const run = await runBackward(backend, testCase, input, gradient);
        assert.deepEqual(run.output, output, 'the same bits in training');
      });
    }
  }

  it('sums in parts are really used: the last bits differ from those of a single sum', async () => {
    const [layer, shape] = cases[0]!;
    const testCase = chainCase([layer], shape, 74);
    const input = randomTensor(75, shape);
    const plain = await openWebGpu();
    assert.notDeepEqual(
      await runForward(await open(inRegisters, layer, shape), testCase, input),
      await runForward(plain, testCase, input),
    );
  });

  it('weights in several panels, and a partial batch', async () => {
    const [layer, shape] = cases[0]!;
    const backend = await open(shared, layer, shape, { bindingBytes: 4 * 49 * 20 * 16 });
    const testCase = chainCase([layer, relu()], shape, 76);
    await inInference(backend, testCase, async (program) => {
      for (const images of [1, 2]) {
        const input = randomTensor(77, [images, 18, 7, 7]);
        const expected = await runForward(reference, { ...testCase, inputShape: [images, 18, 7, 7] }, input);
        assertClose('output', await program.forward(input), expected, layerTolerance);
      }
    });
  });

  for (const [how, tile, busy] of [
    ['in registers', inRegisters, 1],
    ['through shared memory', { ...shared, rows: 2 }, 1],
    ['in registers, in 2 parts', inRegisters, 1000],
    ['through shared memory, in 2 parts', { ...shared, rows: 2 }, 1000],
  ] as const) {
    it(`the input's gradient of a kernel that covers the map, after a ReLU, with weights in panels, ${how}`, async () => {
      const tiles = { gather: tile, weightGradient: inRegisters, fewBackward: [tile], busy };
      const backend = await openWebGpu({ tiles, bindingBytes: 35 * 25 * 12 * 16 });
      const before = { ...fc(1, 6, 10), name: 'before' };
      const testCase = chainCase([before, relu(), fc(5, 10, 258), relu()], [3, 6, 5, 5], 80);
      const input = randomTensor(81, [3, 6, 5, 5]);
      const gradient = randomTensor(82, [3, 258, 1, 1]);
      const expected = await runBackward(reference, testCase, input, gradient);
      const run = await runBackward(backend, testCase, input, gradient);
      assertClose('input gradient', run.inputGradient, expected.inputGradient, layerTolerance);
      assertAllClose(run.gradients, expected.gradients, layerTolerance);
    });
  }

  it('on a GPU, the default choice is sums in parts for one image, and other tiles for many', async () => {
    const choose = defaultChoice(HARDWARE, { panelsOf: () => [] });
    const [layer, shape] = cases[1]!;
    const placedFor = (images: number) => {
      const shapes: Shape4[] = [
        [images, 600, 1, 1],
        [images, 21, 1, 1],
      ];
      return stagesOf([layer], shapes, false).find(isConvolution)!;
    };
    const one = choose('forward', placedFor(1));
    assert.ok(one.method === 'direct' && one.tile.rows === 1 && one.splits! > 1, choiceName(one));
    assert.deepEqual(choose('forward', placedFor(17)), { method: 'direct', tile: HARDWARE.gather });
    const backend = await openWebGpu({ tiles: HARDWARE });
    const testCase = chainCase([layer, relu()], shape, 78);
    const input = randomTensor(79, shape);
    const expected = await runForward(reference, testCase, input);
    assertClose('output', await runForward(backend, testCase, input), expected, layerTolerance);
  });

  it('sums in parts are not a candidate where there are many results, or the sum is short', () => {
    const gpu = {
      tiles: { gather: inRegisters, weightGradient: inRegisters, busy: 64 },
      candidates: { gather: [], weightGradient: [], winograd: [], winogradWeights: [], split: [inRegisters] },
    };
    assert.throws(() => splitChoice(gpu, fc(1, 600, 21), [9, 600, 3, 3]));
    assert.throws(() => splitChoice(gpu, fc(1, 64, 21), [1, 64, 1, 1]));
  });
});
