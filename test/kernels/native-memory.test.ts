import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { UserError } from '../../src/core/errors.ts';
import { type Layer, parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { TrainingProgram } from '../../src/kernels/backend.ts';
import { nativeUnderTest } from '../support/backends.ts';
import {
  chainCase,
  convolution,
  createParameters,
  inInference,
  inTraining,
  maxPool,
  randomValues,
  relu,
} from '../support/chains.ts';
import { randomTensor } from '../support/tensors.ts';

const { backend, skip } = nativeUnderTest;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const layers: Layer[] = [
  convolution(3, 32),
  relu(),
  maxPool(),
  convolution(32, 10, { kernel: 16, padding: 0, name: 'fc' }),
];
/** Each kind of layer, and each algorithm for convolutions. */
const everyKind: Layer[] = [
  ...layers.slice(0, 3),
  { kind: 'lrn', name: 'lrn', size: 5, k: 2, alpha: 1e-4, beta: 0.75 },
  convolution(32, 24, { name: 'winograd' }),
  relu('relu2'),
  maxPool('ceil', 'pool2'),
  convolution(24, 20, { kernel: 1, name: 'point' }),
  { kind: 'dropout', name: 'dropout', rate: 0.5 },
  convolution(20, 7, { kernel: 5, name: 'wide' }),
];
const inputShape: Shape4 = [4, 3, 32, 32];
const MEGABYTE = 2 ** 20;

/** Returns by how many bytes the process grows in `cycles` runs, after a tenth as many to warm up. */
async function growth(cycles: number, run: () => Promise<void>): Promise<number> {
  for (let i = 0; i < cycles / 10; i++) await run();
  collectGarbage();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < cycles; i++) await run();
  collectGarbage();
  return process.memoryUsage.rss() - before;
}

describe('native: memory', { skip }, () => {
  it('compiles, runs and disposes 1,000 times without growing', async () => {
    const parameters = await createParameters(backend!, layers, randomValues(layers, 1));
    const input = randomTensor(1, inputShape);
    const labels = new Int32Array(4);
    const grown = await growth(1000, async () => {
      const inference = await backend!.compile({ layers, inputShape, parameters });
      await inference.forward(input);
      inference.dispose();
      const training = await backend!.compileTraining({ layers, inputShape, parameters });
      await training.accumulate({ input, labels }, 1);
      training.dispose();
    });
    parameters.dispose();
    // The two programs hold 2 MB. Leaking them would cost 2 GB; a kilobyte per cycle would cost 1 MB.
    assert.ok(grown < 24 * MEGABYTE, `the process grew by ${(grown / MEGABYTE).toFixed(1)} MB`);
  });

  it('creates and disposes of parameters 1,000 times without growing', async () => {
    // 4 MB per field: large enough for a separate allocation from the system.
    const specs = [{ name: 'w', shape: [1024, 1024], role: 'weight' }] as const;
    const data = new Float32Array(1024 * 1024).fill(1);
    const grown = await growth(1000, async () => {
      const parameters = backend!.createParameters(specs, { training: true });
      await parameters.write('velocities', 'w', data);
      parameters.dispose();
    });
    assert.ok(grown < 24 * MEGABYTE, `the process grew by ${(grown / MEGABYTE).toFixed(1)} MB`);
  });

  it('keeps the weights that programs share until the last of them is disposed of', async () => {
    const chain = layers.slice(0, 1);
    const parameters = await createParameters(backend!, chain, randomValues(chain, 1), false);
    const small = await backend!.compile({ layers: chain, inputShape: [1, 3, 16, 16], parameters });
    const large = await backend!.compile({ layers: chain, inputShape: [1, 3, 48, 48], parameters });
    const input = randomTensor(1, large.inputShape);
    const before = await large.forward(input);
    small.dispose();
    assert.deepEqual(await large.forward(input), before);
    large.dispose();
    parameters.dispose();
  });

  it('predicts the memory of a program exactly', async () => {
    for (const [chain, input] of [
      [layers, inputShape],
      [everyKind, [2, 3, 37, 50]],
    ] as const) {
      const testCase = chainCase(chain, input, 1);
      const plan = await backend!.planMemory!({ layers: chain, inputShape: input });
      assert.equal(plan.gradients, 0);
      await inInference(backend!, testCase, async (program) => {
        assert.equal(plan.total, program.memoryBytes);
      });
      for (const inputGradient of [false, true]) {
        const options = { layers: chain, inputShape: input, training: true, inputGradient };
        const training = await backend!.planMemory!(options);
        assert.ok(training.gradients > 0 && training.activations > plan.activations);
        const assertTotal = async (program: TrainingProgram) =>
          assert.equal(training.total, program.memoryBytes);
        await inTraining(backend!, testCase, assertTotal, inputGradient);
      }
    }
  });

  it('predicts more memory than the machine has without allocating it', async () => {
    const before = process.memoryUsage.rss();
    const plan = await backend!.planMemory!({ layers, inputShape: [2 ** 20, 3, 32, 32], training: true });
    assert.ok(plan.activations > 2 ** 40 / 8);
    assert.ok(process.memoryUsage.rss() - before < 24 * MEGABYTE);
    await assert.rejects(
      backend!.planMemory!({ layers, inputShape: [1, 4, 32, 32] }),
      /conv takes 3 channels, but its input has 4/,
    );
  });

  it('out of memory: the message says how many bytes, and what to do', async () => {
    const chain = [relu()];
    const parameters = backend!.createParameters(parameterSpecs(chain), { training: false });
    await assert.rejects(
      backend!.compile({ layers: chain, inputShape: [65536, 1024, 1024, 1024], parameters }),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /out of memory: \d{15} bytes .* lower the micro-batch/);
        return true;
      },
    );
    assert.throws(
      () => backend!.createParameters([{ name: 'w', shape: [2 ** 46], role: 'weight' }], { training: false }),
      /out of memory: 281474976710656 bytes/,
    );
    parameters.dispose();
  });
});
