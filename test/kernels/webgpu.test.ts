/** What the conformance suite cannot ask of every backend: tiles, panels, and a GPU that goes away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Layer, shapesAlong } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { backendsUnderTest, reference } from '../support/backends.ts';
import { type ChainCase, chainCase, createParameters, runBackward, runForward } from '../support/chains.ts';
import { lossesOfSteps } from '../support/small-network.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { missing, layerTolerance, networkTolerance } = backendsUnderTest.find(
  ({ name }) => name === 'webgpu',
)!;

async function open(options: GpuOptions): Promise<WebGpuBackend> {
  return createWebGpuBackend(await openNodeGpu(options));
}

function convolution(kernel: number, inChannels: number, outChannels: number, name = 'conv'): Layer {
  return { kind: 'convolution', name, kernel, padding: (kernel - 1) >> 1, inChannels, outChannels };
}

async function agrees(backend: Backend, testCase: ChainCase, tolerance: number): Promise<void> {
  const input = randomTensor(1, testCase.inputShape);
  const outputGradient = randomTensor(2, shapesAlong(testCase.layers, testCase.inputShape).at(-1)!);
  const expected = await runBackward(reference, testCase, input, outputGradient);
  const run = await runBackward(backend, testCase, input, outputGradient);
  assertClose('output', run.output, expected.output, tolerance);
  assertClose('inference output', await runForward(backend, testCase, input), expected.output, tolerance);
  assertClose('input gradient', run.inputGradient, expected.inputGradient, tolerance);
  for (const [name, tensor] of expected.gradients) {
    assertClose(`${name} gradient`, run.gradients.get(name), tensor, tolerance);
  }
}

const relu: Layer = { kind: 'relu', name: 'relu' };

describe('webgpu: tiles', { skip: missing ?? false }, () => {
  const small: Tile = { threadsX: 4, threadsY: 8, rows: 2, columns: 1, depth: 2 };
  const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 2, columns: 2, depth: 0 };
  // Rows and columns that end within tiles; enough pixels that sums are split.
  const shape: Shape4 = [2, 7, 23, 25];
  const block = [convolution(3, 7, 70), relu];

  it("a GPU's, through shared memory", async () => {
    // One layer, as a software GPU takes seconds to compile each of these shaders.
    await agrees(
      await open({ tiles: { ...HARDWARE, busy: 16 } }),
      chainCase(block, shape, 3),
      layerTolerance,
    );
  });

  const cases: readonly [what: string, gather: Tile, weightGradient: Tile, busy: number][] = [
    ['small ones, whose loads do not come out even', { ...small, threadsX: 3 }, { ...small, depth: 5 }, 4],
    ['registers only', inRegisters, { ...inRegisters, columns: 1 }, 2],
  ];
  for (const [what, gather, weightGradient, busy] of cases) {
    it(what, async () => {
      const backend = await open({ tiles: { gather, weightGradient, busy } });
      const layers = [...block, convolution(1, 70, 9, 'last')];
      await agrees(backend, chainCase(layers, shape, 3), networkTolerance);
      await agrees(backend, chainCase([convolution(4, 3, 130)], [3, 3, 4, 4], 4), layerTolerance);
    });
  }
});

describe('webgpu: weights in several panels', { skip: missing ?? false }, () => {
  it('give what they give in one', async () => {
    // 13 vectors of 9 · 3 · 4 rows of 16 bytes each, five in a panel.
    const backend = await open({ bindingBytes: 5 * 9 * 12 * 16 });
    const parameters = backend.createParameters(
      [{ name: 'conv.weight', shape: [50, 12, 3, 3], role: 'weight' }],
      { training: false },
    );
    assert.deepEqual(
      parameters.panelsOf('conv.weight').map(({ first, vectors }) => [first, vectors]),
      [
        [0, 5],
        [5, 5],
        [10, 3],
      ],
    );
    parameters.dispose();
    const layers = [convolution(3, 12, 50), relu];
    await agrees(backend, chainCase(layers, [1, 12, 3, 4], 5), layerTolerance);
  });

  it('a tensor that no panel can hold is refused with what to do', async () => {
    const backend = await open({ bindingBytes: 16 * 1024 });
    const layers = [relu];
    const parameters = await createParameters(backend, layers, new Map());
    await assert.rejects(backend.compile({ layers, inputShape: [8, 4, 32, 32], parameters }), {
      name: 'UserError',
      message: /takes 1 MiB, but this GPU's largest buffer.*--micro-batch/,
    });
  });
});

describe('webgpu: a GPU that goes away', { skip: missing ?? false }, () => {
  it('is reported in one sentence that says how to go on', async () => {
    const backend = await open({ tiles: HARDWARE });
    const layers = [relu];
    const parameters = await createParameters(backend, layers, new Map());
    const program = await backend.compile({ layers, inputShape: [1, 1, 2, 2], parameters });
    backend.gpu.device.destroy();
    const said = { name: 'UserError', message: /^the GPU was lost \([^\n]+\): .*--resume[^\n]*$/ };
    await assert.rejects(program.forward(new Float32Array(4)), said);
    await assert.rejects(program.forward(new Float32Array(4)), said);
    await assert.rejects(
      createParameters(backend, [convolution(1, 4, 4)], new Map([['conv.bias', new Float32Array(4)]])),
      said,
    );
  });
});

describe('webgpu: training', { skip: missing ?? false }, () => {
  it('five steps lose what the reference loses, and the other may go on from there', async () => {
    const webgpu = await open({});
    const expected = await lossesOfSteps(Array(5).fill(reference));
    assertClose('losses', await lossesOfSteps(Array(5).fill(webgpu)), expected, 1e-5);
    const turns = [webgpu, reference, reference, webgpu, webgpu];
    assertClose('losses in turns', await lossesOfSteps(turns), expected, 1e-5);
    assert.notDeepEqual(expected.slice(-4), expected.slice(0, 4));
  });
});
