/** Tests that do not apply to every backend: tiles, panels, and a lost GPU. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import { assertAgreesWithReference } from '../support/agreement.ts';
import { openWebGpu, reference, webgpuUnderTest } from '../support/backends.ts';
import { chainCase, convolution, createParameters, relu } from '../support/chains.ts';
import { lossesOfSteps } from '../support/small-network.ts';
import { assertClose } from '../support/tensors.ts';

const { skip, layerTolerance, networkTolerance } = webgpuUnderTest;

describe('webgpu: tiles', { skip }, () => {
  const small: Tile = { threadsX: 4, threadsY: 8, rows: 2, columns: 1, depth: 2 };
  const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 2, columns: 2, depth: 0 };
  // Rows and columns end within tiles, and there are enough pixels for sums to be split.
  const shape: Shape4 = [2, 7, 23, 25];
  const block = [convolution(7, 70), relu()];

  it("a GPU's tiles, through shared memory", async () => {
    // One layer, as a software GPU takes seconds to compile each of these shaders.
    await assertAgreesWithReference(
      await openWebGpu({ tiles: { ...HARDWARE, busy: 16 } }),
      chainCase(block, shape, 3),
      layerTolerance,
    );
  });

  const cases: readonly [what: string, gather: Tile, weightGradient: Tile, busy: number][] = [
    ['small tiles, whose loads do not divide evenly', { ...small, threadsX: 3 }, { ...small, depth: 5 }, 4],
    ['registers only', inRegisters, { ...inRegisters, columns: 1 }, 2],
  ];
  for (const [what, gather, weightGradient, busy] of cases) {
    it(what, async () => {
      const backend = await openWebGpu({ tiles: { gather, weightGradient, busy } });
      const layers = [...block, convolution(70, 9, { kernel: 1, name: 'last' })];
      await assertAgreesWithReference(backend, chainCase(layers, shape, 3), networkTolerance);
      await assertAgreesWithReference(
        backend,
        chainCase([convolution(3, 130, { kernel: 4 })], [3, 3, 4, 4], 4),
        layerTolerance,
      );
    });
  }
});

describe('webgpu: weights in several panels', { skip }, () => {
  it('give the same results as one panel', async () => {
    // 13 vectors with 9 · 3 · 4 rows of 16 bytes each, five vectors per panel.
    const backend = await openWebGpu({ bindingBytes: 5 * 9 * 12 * 16 });
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
    const layers = [convolution(12, 50), relu()];
    await assertAgreesWithReference(backend, chainCase(layers, [1, 12, 3, 4], 5), layerTolerance);
  });

  it('a tensor too large for a panel is refused with a remedy', async () => {
    const backend = await openWebGpu({ bindingBytes: 16 * 1024 });
    const layers = [relu()];
    const parameters = await createParameters(backend, layers, new Map());
    await assert.rejects(backend.compile({ layers, inputShape: [8, 4, 32, 32], parameters }), {
      name: 'UserError',
      message: /takes 1 MiB, but this GPU's largest buffer.*--micro-batch/,
    });
  });
});

describe('webgpu: a lost GPU', { skip }, () => {
  it('is reported in one sentence that says how to continue', async () => {
    const backend = await openWebGpu({ tiles: HARDWARE });
    const layers = [relu()];
    const parameters = await createParameters(backend, layers, new Map());
    const program = await backend.compile({ layers, inputShape: [1, 1, 2, 2], parameters });
    backend.gpu.device.destroy();
    const said = { name: 'UserError', message: /^the GPU \([^\n]+\) was lost \([^\n]+\): .*--resume[^\n]*$/ };
    await assert.rejects(program.forward(new Float32Array(4)), said);
    await assert.rejects(program.forward(new Float32Array(4)), said);
    await assert.rejects(
      createParameters(
        backend,
        [convolution(4, 4, { kernel: 1 })],
        new Map([['conv.bias', new Float32Array(4)]]),
      ),
      said,
    );
  });
});

describe('webgpu: training', { skip }, () => {
  it('five steps have the losses of the reference, even when the two take turns', async () => {
    const webgpu = await openWebGpu({});
    const expected = await lossesOfSteps(Array(5).fill(reference));
    assertClose('losses', await lossesOfSteps(Array(5).fill(webgpu)), expected, 1e-5);
    const turns = [webgpu, reference, reference, webgpu, webgpu];
    assertClose('losses in turns', await lossesOfSteps(turns), expected, 1e-5);
    assert.notDeepEqual(expected.slice(-4), expected.slice(0, 4));
  });
});
