/** Guarantees besides the arithmetic: copies, the order of calls, parameters shared by programs. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import { describeBackends } from '../support/backends.ts';
import {
  type ChainCase,
  chainCase,
  createParameters,
  inInference,
  inTraining,
  readAll,
  runForward,
} from '../support/chains.ts';
import { CLASSES, images, labelsFor, network, STEP, smallNetwork } from '../support/small-network.ts';
import { assertClose, dropoutKeysFor, randomTensor } from '../support/tensors.ts';

describeBackends('contract', (backend, { layerTolerance }) => {
  it('parameters start at zero and are read and written as copies', async () => {
    const { layers } = network(1);
    const parameters = await createParameters(backend, layers, new Map());
    for (const field of ['values', 'gradients', 'velocities'] as const) {
      for (const tensor of (await readAll(parameters, field)).values())
        assert.ok(tensor.every((x) => x === 0));
    }
    (await parameters.read('values', 'conv1.bias')).fill(7);
    assert.ok((await parameters.read('values', 'conv1.bias')).every((x) => x === 0));
    const data = randomTensor(1, [17]);
    const kept = data.slice();
    await parameters.write('values', 'conv1.bias', data);
    data.fill(0);
    assert.deepEqual(await parameters.read('values', 'conv1.bias'), kept);
    parameters.dispose();
  });

  it('every field of every tensor is read back bit for bit', async () => {
    const { layers } = network(1);
    const parameters = await createParameters(backend, layers, new Map());
    let seed = 0;
    for (const field of ['values', 'gradients', 'velocities'] as const) {
      for (const { name, shape } of parameters.specs) {
        const data = randomTensor(seed++, shape);
        await parameters.write(field, name, data);
        assert.deepEqual(await parameters.read(field, name), data);
      }
    }
    parameters.dispose();
  });

  it("programs use values written to a tensor's place", async (context) => {
    const { layers, inputShape, values } = network(1);
    const parameters = await createParameters(backend, layers, new Map());
    if (!parameters.place(parameters.specs[0]!.name)) {
      parameters.dispose();
      return context.skip('the values are not in the memory of this process');
    }
    for (const { name } of parameters.specs) parameters.place(name)!.set(values.get(name)!);
    const program = await backend.compile({ layers, inputShape, parameters });
    const output = await program.forward(images(1));
    program.dispose();
    for (const { name } of parameters.specs) {
      assert.deepEqual(await parameters.read('values', name), values.get(name));
    }
    assert.deepEqual(output, await runForward(backend, network(1), images(1)));
    assert.throws(() => parameters.place('conv9.weight'), RangeError);
    parameters.dispose();
    assert.throws(() => parameters.place('conv1.weight'), /disposed/);
  });

  it('an input array is neither changed nor returned', async () => {
    const input = images(2);
    const kept = input.slice();
    for (const layer of smallNetwork().filter(({ kind }) => kind !== 'convolution')) {
      const output = await runForward(backend, chainCase([layer], [2, 3, 8, 8], 1), input);
      assert.notEqual(output.buffer, input.buffer);
      assert.deepEqual(input, kept);
    }
    await runForward(backend, network(2), input);
    assert.deepEqual(input, kept);
  });

  it('programs report their shapes and memory', async () => {
    await inInference(backend, { ...network(3), inputShape: [2, 3, 24, 16] }, async (program) => {
      assert.deepEqual(program.inputShape, [2, 3, 24, 16]);
      assert.deepEqual(program.outputShape, [2, CLASSES, 5, 3]);
      assert.ok(program.memoryBytes > 0);
    });
    await inTraining(backend, network(3), async (training) => {
      assert.deepEqual(training.outputShape, [3, CLASSES, 1, 1]);
      assert.ok(training.memoryBytes > 0);
    });
  });

  it('programs of several sizes see every change of their parameters', async () => {
    const { layers, values } = network(1);
    const parameters = await createParameters(backend, layers, values);
    const sizes: Shape4[] = [
      [1, 3, 8, 8],
      [2, 3, 13, 10],
    ];
    const programs = await Promise.all(
      sizes.map((inputShape) => backend.compile({ layers, inputShape, parameters })),
    );
    const training = await backend.compileTraining({ layers, inputShape: [2, 3, 8, 8], parameters });
    const check = async () => {
      const now = await readAll(parameters, 'values');
      for (const [index, inputShape] of sizes.entries()) {
        const input = randomTensor(8, inputShape);
        const expected = await runForward(backend, { layers, inputShape, values: now }, input);
        assertClose('output', await programs[index]!.forward(input), expected, layerTolerance);
      }
    };
    await check();
    for (let step = 0; step < 2; step++) {
      await training.accumulate({ input: images(2), labels: labelsFor(2) }, 0.5);
      await parameters.update(STEP);
      await check();
    }
    await parameters.write('values', 'conv2.weight', randomTensor(77, [20, 17, 3, 3]));
    await check();
    for (const item of [...programs, training, parameters]) item.dispose();
  });

  it('calls keep their order when they are not awaited', async () => {
    const { layers, inputShape, values } = network(2);
    const awaited = await trainTwice(layers, inputShape, values, true);
    const queued = await trainTwice(layers, inputShape, values, false);
    assert.deepEqual(queued, awaited);
  });

  async function trainTwice(
    layers: readonly Layer[],
    inputShape: Shape4,
    values: ChainCase['values'],
    oneByOne: boolean,
  ): Promise<unknown[]> {
    const parameters = await createParameters(backend, layers, values);
    const program = await backend.compile({ layers, inputShape, parameters });
    const training = await backend.compileTraining({ layers, inputShape, parameters });
    const batch = { input: images(2), labels: labelsFor(2) };
    const results: unknown[] = [];
    const call = async (run: () => Promise<unknown>) => {
      const pending = run();
      results.push(oneByOne ? await pending : pending);
    };
    for (let step = 0; step < 2; step++) {
      await call(() => training.accumulate(batch, 0.5));
      await call(() => parameters.update(STEP));
      await call(() => program.forward(batch.input));
      await call(() => parameters.write('values', 'fc7.bias', new Float32Array(CLASSES).fill(step + 1)));
      await call(() => program.forward(batch.input));
      await call(() => parameters.read('values', 'conv1.weight'));
    }
    const settled = await Promise.all(results);
    for (const item of [program, training, parameters]) item.dispose();
    return settled;
  }

  it('the same work twice gives the same bits', async () => {
    const batch = { input: images(3), labels: labelsFor(3), dropoutKeys: dropoutKeysFor(3) };
    const run = () =>
      inTraining(backend, network(3), async (program, parameters) => {
        for (let step = 0; step < 3; step++) {
          await program.accumulate(batch, 1 / 3);
          await parameters.update(STEP);
        }
        return readAll(parameters, 'values');
      });
    assert.deepEqual(await run(), await run());
  });
});
