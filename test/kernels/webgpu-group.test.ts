/** Several GPUs as one backend: the results of one GPU. Here they are several devices of one software GPU. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { single } from '../../src/comm/communicator.ts';
import type { Backend, Parameters, TrainingProgram } from '../../src/kernels/backend.ts';
import { GpuGroup } from '../../src/kernels/webgpu/gpu-group.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { GradientExchange } from '../../src/train/gradient-exchange.ts';
import { openWebGpu, webgpuUnderTest } from '../support/backends.ts';
import { createParameters, inTraining, readAll } from '../support/chains.ts';
import { IMAGE, images, labelsFor, network, STEP, smallNetwork } from '../support/small-network.ts';
import { dropoutKeysFor, largestDifference } from '../support/tensors.ts';

/** As for ranks (test/mpi/same-training.ts): the sums of float32 values in another order, after a few steps. */
const WEIGHT_BOUND = 2e-6;
const LOSS_BOUND = 1e-6;
const BATCH = 13;
/** Images of each step; neither 2, 3 nor 4 devices share them equally, and one device gets none of 2. */
const STEPS = [13, 13, 2, 5, 13, 1, 13, 7];

interface Outcome {
  readonly losses: readonly number[];
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly velocities: ReadonlyMap<string, Float32Array>;
}

type Exchange = 'during the backward pass' | 'bf16' | 'in the update';

async function step(
  program: TrainingProgram,
  parameters: Parameters,
  count: number,
  exchange: GradientExchange | undefined,
): Promise<Float32Array> {
  const { losses } = await program.accumulate(
    {
      input: images(BATCH).subarray(0, count * IMAGE),
      labels: labelsFor(count),
      dropoutKeys: dropoutKeysFor(count),
      weights: Float32Array.from({ length: count }, (_, i) => 1 + (i % 3)),
      labelSmoothing: 0.1,
    },
    1 / count,
    exchange && ((tensor) => exchange.ready(tensor)),
  );
  await exchange?.finish();
  await parameters.update(STEP);
  return losses;
}

function training(backend: Backend, how: Exchange = 'during the backward pass'): Promise<Outcome> {
  return inTraining(backend, network(BATCH), async (program, parameters) => {
    const type = how === 'bf16' ? 'bf16' : 'float32';
    const exchange = how === 'in the update' ? undefined : GradientExchange.between(parameters, single, type);
    const losses: number[] = [];
    for (const count of STEPS) losses.push(...(await step(program, parameters, count, exchange)));
    const values = await readAll(parameters, 'values');
    return { losses, values, velocities: await readAll(parameters, 'velocities') };
  });
}

function assertSame(actual: Outcome, expected: Outcome): void {
  expected.losses.forEach((loss, i) => {
    assert.ok(
      Math.abs(actual.losses[i]! - loss) < LOSS_BOUND * loss,
      `loss ${i}: ${actual.losses[i]}, ${loss}`,
    );
  });
  for (const field of ['values', 'velocities'] as const) {
    for (const [name, data] of expected[field]) {
      const { difference } = largestDifference(actual[field].get(name)!, data);
      assert.ok(difference < WEIGHT_BOUND, `${field} of ${name}: ${difference}`);
    }
  }
}

describe('several GPUs', { skip: webgpuUnderTest.skip }, () => {
  const members: WebGpuBackend[] = [];
  const open = async (count: number): Promise<GpuGroup> => {
    while (members.length < count) members.push(await openWebGpu());
    return new GpuGroup(members.slice(0, count));
  };
  after(() => {
    for (const { gpu } of members) gpu.device.destroy();
  });
  const one = webgpuUnderTest.backend!;

  for (const count of [2, 3, 4]) {
    it(`${count}: losses, weights and velocities are those of one, to rounding, with batches they cannot share equally`, async () => {
      assertSame(await training(await open(count)), await training(one));
    });
  }

  it('repeat a training bit for bit', async () => {
    const group = await open(3);
    assert.deepEqual(await training(group), await training(group));
  });

  it('add gradients in the update if nothing did before', async () => {
    const group = await open(2);
    assert.deepEqual(await training(group, 'in the update'), await training(group));
  });

  it('with bf16 gradients are close, and not the same', async () => {
    const [exact, short] = [await training(one), await training(await open(2), 'bf16')];
    const differences = [...exact.values].map(
      ([name, data]) => largestDifference(short.values.get(name)!, data).difference,
    );
    assert.ok(Math.max(...differences) > WEIGHT_BOUND, 'rounded');
    assert.ok(Math.max(...differences) < 0.1, `${differences}`);
  });

  it('hold the same weights after an exchange', async () => {
    const group = await open(3);
    await inTraining(group, network(BATCH), async (program, parameters) => {
      await step(program, parameters, 5, GradientExchange.between(parameters, single, 'bf16'));
      const { members } = parameters as ReturnType<GpuGroup['createParameters']>;
      const [first, ...others] = await Promise.all(members.map((member) => readAll(member, 'values')));
      for (const other of others) assert.deepEqual(other, first);
    });
  });

  it('hold the same weights again, if they are of different kinds, once they are aligned', async () => {
    await open(2);
    const { instruments, largestTensor } = members[1]!;
    const second = members[1]!.createParameters.bind(members[1]);
    const facts = { description: 'WebGPU, another kind', instruments, largestTensor };
    const other = { ...facts, createParameters: second } as unknown as WebGpuBackend;
    const parameters = await createParameters(
      new GpuGroup([members[0]!, other]),
      smallNetwork(),
      network(1).values,
    );
    const [one, drifted] = (parameters as ReturnType<GpuGroup['createParameters']>).members;
    for (const field of ['values', 'velocities'] as const) {
      await drifted!.write(field, 'fc6.weight', new Float32Array(20 * 4 * 24).fill(3));
    }
    await parameters.align!();
    for (const field of ['values', 'velocities'] as const) {
      assert.deepEqual(await readAll(drifted!, field), await readAll(one!, field));
    }
    parameters.dispose();
    assert.equal((await open(2)).createParameters([], { training: true }).align, undefined, 'alike');
  });

  it('exchange the gradients of the last layers while the backward pass runs', async () => {
    await inTraining(await open(2), network(BATCH), async (program) => {
      const order: number[] = [];
      await program.accumulate({ input: images(BATCH), labels: labelsFor(BATCH) }, 1, (tensor) => {
        order.push(tensor);
      });
      // fc7, fc6, conv2, conv1: each layer has a weight and a bias.
      assert.deepEqual(order, [6, 4, 2, 0]);
    });
  });

  it('know when all of them had computed the gradients that they send', async () => {
    const group = await open(2);
    await inTraining(group, network(BATCH), async (program, parameters) => {
      const done: Promise<number>[] = [];
      const fetched: Promise<number>[] = [];
      const { gradientTransfer, members } = parameters as ReturnType<GpuGroup['createParameters']>;
      await program.accumulate({ input: images(BATCH), labels: labelsFor(BATCH) }, 1, () => {
        for (const { gpu } of members) {
          done.push(gpu.device.queue.onSubmittedWorkDone().then(() => performance.now()));
        }
        fetched.push(gradientTransfer.fetch(0, 10, false));
      });
      const moments = await Promise.all(fetched);
      const earliest = await Promise.all(done);
      moments.forEach((moment, i) => {
        assert.ok(moment >= Math.max(...earliest.slice(2 * i, 2 * i + 2)), `part ${i}`);
      });
    });
  });

  it('read, write and clear gradients as one GPU does', async () => {
    const read = async (backend: Backend): Promise<Float32Array[]> =>
      inTraining(backend, network(BATCH), async (program, parameters) => {
        const batch = { input: images(BATCH), labels: labelsFor(BATCH) };
        const steps: Float32Array[] = [];
        const keep = async () => steps.push(await parameters.read('gradients', 'fc6.weight'));
        await program.accumulate(batch, 1);
        await keep();
        await parameters.write('gradients', 'fc6.weight', new Float32Array(20 * 4 * 24).fill(3));
        await keep();
        await GradientExchange.between(parameters, single, 'float32')?.finish();
        await keep();
        await program.accumulate(batch, 1);
        await keep();
        await parameters.zeroGradients();
        await keep();
        return steps;
      });
    const [expected, actual] = [await read(one), await read(await open(3))];
    actual.forEach((values, i) => {
      assert.ok(largestDifference(values, expected[i]!).difference < 1e-5, `step ${i}`);
    });
  });

  it('keep the order of calls that nobody awaits', async () => {
    await inTraining(await open(2), network(BATCH), async (program, parameters) => {
      const batch = { input: images(BATCH), labels: labelsFor(BATCH) };
      const calls = [
        program.accumulate(batch, 1 / BATCH),
        parameters.update(STEP),
        program.accumulate(batch, 1 / BATCH),
      ] as const;
      const [before, , following] = await Promise.all(calls);
      assert.notDeepEqual(following.losses, before.losses);
    });
  });

  it("compute an image's scores alike on whichever GPU is free, to the bit", async () => {
    const group = await open(3);
    const { values } = network(8);
    const scores = async (backend: Backend, atOnce: number): Promise<Float32Array[]> => {
      const parameters = await createParameters(backend, smallNetwork(), values, false);
      const program = await backend.compile({ layers: smallNetwork(), inputShape: [8, 3, 8, 8], parameters });
      const results: Float32Array[] = [];
      for (let from = 0; from < 6; from += atOnce) {
        const some = Array.from({ length: atOnce }, (_, i) => program.forward(images(7, from + i)));
        results.push(...(await Promise.all(some)));
      }
      program.dispose();
      parameters.dispose();
      return results;
    };
    const expected = await scores(one, 1);
    assert.deepEqual(await scores(group, 1), expected);
    assert.deepEqual(await scores(group, 6), expected);
  });

  it('name the GPU that is lost', async () => {
    const lost = await openWebGpu({ label: 'GPU 1' });
    await open(1);
    const group = new GpuGroup([members[0]!, lost]);
    await assert.rejects(
      inTraining(group, network(BATCH), async (program, parameters) => {
        await step(program, parameters, 4, undefined);
        lost.gpu.device.destroy();
        await step(program, parameters, 4, undefined);
      }),
      /^UserError: GPU 1 \(.*\) was lost .*--resume/,
    );
  });
});

describe('a GPU with too little memory', { skip: webgpuUnderTest.skip }, () => {
  /** Answers as a device does that has no room for buffers from a size on. */
  async function openSmall(bytes: number): Promise<WebGpuBackend> {
    const backend = await openWebGpu({ label: 'GPU 2' });
    const { device } = backend.gpu;
    const scopes: { filter: GPUErrorFilter; failed: boolean }[] = [];
    const create = device.createBuffer.bind(device);
    device.pushErrorScope = (filter) => {
      scopes.push({ filter, failed: false });
      return undefined;
    };
    device.createBuffer = (descriptor) => {
      const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
      if (scope && descriptor.size >= bytes) scope.failed = true;
      return create(descriptor);
    };
    device.popErrorScope = async () => (scopes.pop()!.failed ? ({ message: 'no room' } as GPUError) : null);
    return backend;
  }

  it('names the buffer of a program', async () => {
    const backend = await openSmall(50_000);
    const message =
      /^compileTraining: GPU 2 \(.*\) is out of memory at the layers of the network \(1 MiB, .*--micro-batch/;
    await assert.rejects(
      inTraining(backend, network(BATCH), async () => {}),
      { name: 'UserError', message },
    );
    backend.gpu.device.destroy();
  });

  it('names the tensor of the parameters', async () => {
    const backend = await openSmall(5000);
    const message = /^createParameters: GPU 2 \(.*\) is out of memory at (conv2|fc6)\.weight \(/;
    await assert.rejects(
      inTraining(backend, network(BATCH), async () => {}),
      { name: 'UserError', message },
    );
    backend.gpu.device.destroy();
  });
});
