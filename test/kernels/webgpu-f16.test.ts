/** f16 on a GPU: tests that do not apply to every backend. The conformance suite, too, runs in f16. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '../../src/core/errors.ts';
import type { Layer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { openBackend } from '../../src/kernels/registry.ts';
import { deviceDescriptor } from '../../src/kernels/webgpu/adapter.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import { assertAgreesWithReference } from '../support/agreement.ts';
import { f16UnderTest, openWebGpu, reference } from '../support/backends.ts';
import {
  type ChainCase,
  chainCase,
  convolution,
  createParameters,
  inInference,
  inTraining,
  readAll,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { images, labelsFor, lossesOfSteps, network } from '../support/small-network.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip, layerTolerance, networkTolerance, representable, rounding } = f16UnderTest;

const open = (options: GpuOptions = {}) => openWebGpu({ ...options, precision: 'f16' });

/**
 * Slightly more than the rounding of a result. If all factors are f16 values, products are exact and sums are float32,
 * so there is no other error, and no sign changes before a ReLU.
 */
const exact = 1.02 * rounding;

/** Compares a chain of at most one convolution, with factors rounded to f16. */
function agrees(backend: Backend, { layers, inputShape, values }: ChainCase): Promise<void> {
  const rounded = [...values].map(([name, tensor]) => [name, representable(tensor)] as const);
  const testCase = { layers, inputShape, values: new Map(rounded) };
  return assertAgreesWithReference(backend, testCase, exact, 1, representable);
}

describe('f16 on a GPU', { skip }, () => {
  const shape: Shape4 = [2, 7, 13, 15];
  const small: Tile = { threadsX: 3, threadsY: 8, rows: 2, columns: 1, depth: 2 };
  const inRegisters: Tile = { threadsX: 2, threadsY: 2, rows: 2, columns: 2, depth: 0 };
  const tiles: Record<string, GpuOptions> = {
    "a GPU's tiles": { tiles: { ...HARDWARE, busy: 16 } },
    'tiles whose loads do not divide evenly': {
      tiles: { gather: small, weightGradient: { ...small, depth: 5 }, busy: 4 },
    },
    'registers only': { tiles: { gather: inRegisters, weightGradient: inRegisters, busy: 2 } },
    'weights in several panels': { bindingBytes: 5 * 9 * 12 * 16 },
  };
  for (const [what, options] of Object.entries(tiles)) {
    const [layers, place]: [Layer[], Shape4] = options.bindingBytes
      ? [
          [convolution(12, 50), relu()],
          [1, 12, 3, 4],
        ]
      : [[convolution(7, 70), relu()], shape];
    it(what, async () => agrees(await open(options), chainCase(layers, place, 3)));
  }

  it("Winograd's method, in all directions, between layers in f16", async () => {
    const winograd = { size: 4, tile: inRegisters, fewestChannels: 1 } as const;
    const winogradWeights = { ...winograd, fewestPixels: 1 };
    const backend = await open({
      tiles: { gather: inRegisters, weightGradient: inRegisters, winograd, winogradWeights, busy: 2 },
    });
    await agrees(backend, chainCase([relu(), convolution(7, 18), relu()], shape, 5));
  });

  it('sums over many channels are in float32: only the result is rounded', async () => {
    const testCase = chainCase([convolution(1500, 8, { kernel: 1 })], [1, 1500, 1, 1], 6);
    const weights = testCase.values.get('conv.weight')!;
    weights.set(representable(weights));
    const input = representable(randomTensor(7, [1500]));
    const expected = await runForward(reference, testCase, input);
    assertClose('output', await runForward(await open(), testCase, input), expected, exact);
  });

  it('activations may be as large as 1,048,064; larger ones are an error', async () => {
    const layers = [
      convolution(4, 4, { kernel: 1, name: 'conv1' }),
      relu(),
      convolution(4, 4, { kernel: 1, name: 'conv2' }),
    ];
    const testCase = chainCase(layers, [1, 4, 1, 1], 8);
    const backend = await open();
    testCase.values.get('conv1.weight')!.fill(2000);
    testCase.values.get('conv2.weight')!.fill(1e-3);
    const input = new Float32Array(4).fill(128);
    const expected = await runForward(reference, testCase, input);
    assertClose('output', await runForward(backend, testCase, input), expected, layerTolerance);
    await assert.rejects(runForward(backend, testCase, new Float32Array(4).fill(140)), {
      name: 'UserError',
      message: /^precision f16 holds activations up to 1,048,064, [^\n]*use --precision fp32$/,
    });
  });

  it('weights are stored in float32: a step too small for f16 has an effect', async () => {
    const backend = await open();
    const testCase = chainCase([convolution(5, 6)], [1, 5, 4, 4], 9);
    const parameters = await createParameters(backend, testCase.layers, testCase.values);
    assert.deepEqual(await readAll(parameters, 'values'), testCase.values);
    const gradient = new Float32Array(270).fill(1);
    await parameters.write('gradients', 'conv.weight', gradient);
    await parameters.update({ learningRate: 1e-5, momentum: 0, weightDecay: 0, biasDecay: 0 });
    const expected = testCase.values.get('conv.weight')!.map((w) => w - 1e-5);
    assertClose('weights', await parameters.read('values', 'conv.weight'), expected, 1e-7);
    parameters.dispose();
  });

  it('the next call uses new weights', async () => {
    const layers = [convolution(64, 8, { kernel: 1 })];
    const testCase: ChainCase = { layers, inputShape: [1, 64, 1, 1], values: new Map() };
    await inInference(await open(), testCase, async (program, parameters) => {
      for (const weight of [1, 0.5]) {
        await parameters.write('values', 'conv.weight', new Float32Array(512).fill(weight));
        const output = await program.forward(new Float32Array(64).fill(1));
        assert.deepEqual(output, new Float32Array(8).fill(64 * weight));
      }
    });
  });

  it('gradients do not vanish with a large batch, and huge ones stay finite', async () => {
    const backend = await open();
    const gradientsAt = (scale: number) =>
      inTraining(backend, network(4), async (program, parameters) => {
        await program.accumulate({ input: images(4), labels: labelsFor(4) }, scale);
        return readAll(parameters, 'gradients');
      });
    const whole = await gradientsAt(1);
    // Without scaling, f16's steps of 6e-8 would leave nothing.
    for (const [name, gradient] of await gradientsAt(2 ** -30)) {
      assert.deepEqual(
        gradient.map((value) => value * 2 ** 30),
        whole.get(name),
        name,
      );
    }
    const testCase = chainCase([convolution(4, 4, { kernel: 1 }), relu()], [1, 4, 1, 1], 10);
    const [ones, huge] = [1, 1e30].map((value) => new Float32Array(4).fill(value));
    const run = await runBackward(backend, testCase, ones!, huge!);
    for (const tensor of [run.inputGradient, ...run.gradients.values()]) {
      assert.ok(tensor.every(Number.isFinite), `${tensor}`);
    }
  });

  it('five steps have the losses of the reference, even when the two take turns', async () => {
    const backend = await open();
    const expected = await lossesOfSteps(Array(5).fill(reference));
    assertClose('losses', await lossesOfSteps(Array(5).fill(backend)), expected, networkTolerance);
    const turns = [backend, reference, reference, backend, backend];
    assertClose('losses in turns', await lossesOfSteps(turns), expected, networkTolerance);
  });
});

describe('f16 where unsupported', () => {
  const adapter = (...features: GPUFeatureName[]) =>
    ({
      features: new Set<string>(features),
      limits: {},
      info: { vendor: 'maker', architecture: '', device: '', description: 'a GPU' },
    }) as unknown as GPUAdapter;

  it('is refused with a message that names the GPU and a remedy', () => {
    assert.throws(() => deviceDescriptor(adapter('subgroups', 'timestamp-query'), 'f16'), {
      name: 'UserError',
      message:
        "precision f16 needs a GPU whose driver supports WebGPU's shader-f16, and maker a GPU does not: use fp32, or update the driver",
    });
  });

  it('a device has it only on request', () => {
    const all = adapter('shader-f16', 'subgroups', 'timestamp-query');
    const features = (precision?: 'f16') => [...deviceDescriptor(all, precision).requiredFeatures!];
    assert.deepEqual(features(), ['subgroups', 'timestamp-query']);
    assert.deepEqual(features('f16'), ['shader-f16', 'subgroups', 'timestamp-query']);
  });

  it('a GPU without it is refused before anything is computed', async (t) => {
    if (!skip) return t.skip('this GPU has shader-f16');
    await assert.rejects(openBackend('webgpu', { precision: 'f16' }), {
      name: 'UserError',
      message: skip,
    });
    assert.match(skip, /^[^\n]+$/);
  });

  it("the CPU's backends refuse it, and the GPU's refuses bf16", async () => {
    for (const [name, precision] of [
      ['native', 'f16'],
      ['reference', 'f16'],
      ['webgpu', 'bf16'],
    ] as const) {
      await assert.rejects(
        openBackend(name, { precision }),
        (error: Error) =>
          error instanceof UsageError &&
          error.message.startsWith(`precision ${precision} works only with the `),
      );
    }
  });
});
