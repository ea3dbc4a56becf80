/**
 * What callers rely on beside the arithmetic: order of calls, sharing of parameters, partial batches,
 * accumulation.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import { elementCount, type Shape4 } from '../../src/core/shape.ts';
import type { Parameters, SgdStep } from '../../src/kernels/backend.ts';
import { describeBackends } from '../support/backends.ts';
import { type ChainCase, chainCase, createParameters, readAll, runForward } from '../support/chains.ts';
import { assertClose, dropoutKeysFor, randomTensor } from '../support/tensors.ts';

const CLASSES = 5;
const STEP: SgdStep = { learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };

/** A small network with every kind of layer; a crop of 8 gives one score vector. */
function smallNetwork(): Layer[] {
  const convolution = (
    name: string,
    kernel: number,
    padding: number,
    inChannels: number,
    outChannels: number,
  ): Layer => ({ kind: 'convolution', name, kernel, padding, inChannels, outChannels });
  return [
    convolution('conv1', 3, 1, 3, 17),
    { kind: 'relu', name: 'relu1' },
    { kind: 'lrn', name: 'norm1', size: 5, k: 2, alpha: 1e-2, beta: 0.75 },
    { kind: 'maxPool', name: 'pool1', rounding: 'floor' },
    convolution('conv2', 3, 1, 17, 20),
    { kind: 'relu', name: 'relu2' },
    { kind: 'maxPool', name: 'pool2', rounding: 'floor' },
    convolution('fc6', 2, 0, 20, 24),
    { kind: 'relu', name: 'relu6' },
    { kind: 'dropout', name: 'drop6', rate: 0.5 },
    convolution('fc7', 1, 0, 24, CLASSES),
  ];
}

function network(batch: number): ChainCase {
  return chainCase(smallNetwork(), [batch, 3, 8, 8], 42);
}

function images(count: number, seed = 1): Float32Array {
  return randomTensor(seed, [count, 3, 8, 8]);
}

function labelsFor(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (3 * i) % CLASSES);
}

const IMAGE = elementCount([3, 8, 8]);

describeBackends('contract', (backend, { layerTolerance, networkTolerance }) => {
  it('parameters start at zero, and are read as copies', async () => {
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

  it('every field of every tensor comes back bit for bit', async () => {
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

  it('shapes and memory are told', async () => {
    const { layers, inputShape, values } = network(3);
    const parameters = await createParameters(backend, layers, values);
    const program = await backend.compile({ layers, inputShape: [2, 3, 24, 16], parameters });
    assert.deepEqual(program.inputShape, [2, 3, 24, 16]);
    assert.deepEqual(program.outputShape, [2, CLASSES, 5, 3]);
    assert.ok(program.memoryBytes > 0);
    const training = await backend.compileTraining({ layers, inputShape, parameters });
    assert.deepEqual(training.outputShape, [3, CLASSES, 1, 1]);
    assert.ok(training.memoryBytes > 0);
    training.dispose();
    program.dispose();
    parameters.dispose();
  });

  it('a partial batch gives what a batch of that size gives', async () => {
    const full = network(5);
    for (const count of [1, 2, 4]) {
      const partial = await runForward(backend, full, images(count));
      const exact = await runForward(backend, network(count), images(count));
      assertClose('output', partial, exact, networkTolerance);
    }
  });

  it('what is not in a partial batch contributes exactly nothing', async () => {
    const { layers, inputShape, values } = network(4);
    const batch = { input: images(2), labels: labelsFor(2), dropoutKeys: dropoutKeysFor(2) };
    const fresh = await createParameters(backend, layers, values);
    const freshProgram = await backend.compileTraining({ layers, inputShape, parameters: fresh });
    const expected = await freshProgram.accumulate(batch, 0.5);
    // The same program after a full batch of numbers that leave a trace wherever they are left over.
    const used = await createParameters(backend, layers, values);
    const usedProgram = await backend.compileTraining({ layers, inputShape, parameters: used });
    for (const trace of [1e6, Number.NaN]) {
      const input = images(4).map((x, i) => (i < 2 * IMAGE ? x : trace));
      await usedProgram.accumulate({ input, labels: labelsFor(4) }, 1);
    }
    await used.zeroGradients();
    const outcome = await usedProgram.accumulate(batch, 0.5);
    assert.deepEqual(outcome, expected);
    const gradients = await readAll(used, 'gradients');
    for (const [name, tensor] of await readAll(fresh, 'gradients')) {
      assert.deepEqual(gradients.get(name), tensor, `gradient of ${name}`);
    }
    for (const item of [freshProgram, usedProgram, fresh, used]) item.dispose();
  });

  it('micro-batches accumulate to the gradient of the whole batch', async () => {
    const count = 6;
    const input = images(count);
    const labels = labelsFor(count);
    const dropoutKeys = dropoutKeysFor(count);
    const gradientsFor = async (split: readonly number[]) => {
      const { layers, inputShape, values } = network(Math.max(...split));
      const parameters = await createParameters(backend, layers, values);
      const program = await backend.compileTraining({ layers, inputShape, parameters });
      const losses: number[] = [];
      let start = 0;
      for (const size of split) {
        const end = start + size;
        const part = {
          input: input.slice(start * IMAGE, end * IMAGE),
          labels: labels.slice(start, end),
          dropoutKeys: dropoutKeys.slice(2 * start, 2 * end),
        };
        losses.push(...(await program.accumulate(part, 1 / count)).losses);
        start = end;
      }
      const gradients = await readAll(parameters, 'gradients');
      program.dispose();
      parameters.dispose();
      return { losses, gradients };
    };
    const whole = await gradientsFor([6]);
    // Sums are made in another order: the tolerance of rounding, not of another result.
    for (const split of [
      [3, 3],
      [2, 2, 2],
      [4, 2],
      [1, 1, 1, 1, 1, 1],
    ]) {
      const parts = await gradientsFor(split);
      assertClose(`losses of ${split}`, parts.losses, whole.losses, layerTolerance);
      for (const [name, tensor] of whole.gradients) {
        assertClose(`${name} from ${split}`, parts.gradients.get(name), tensor, networkTolerance);
      }
    }
  });

  it('backward adds to the gradients, with and without the gradient of the input', async () => {
    const { layers, inputShape, values } = network(2);
    const parameters = await createParameters(backend, layers, values);
    const options = { layers, inputShape, parameters };
    const withInput = await backend.compileTraining({ ...options, inputGradient: true });
    const without = await backend.compileTraining(options);
    const outputGradient = randomTensor(4, [2, CLASSES, 1, 1]);
    const first = await withInput.backward({ input: images(2) }, outputGradient);
    assert.equal(first.inputGradient?.length, 2 * IMAGE);
    const once = await readAll(parameters, 'gradients');
    const second = await without.backward({ input: images(2) }, outputGradient);
    assert.equal(second.inputGradient, undefined);
    assertClose('output', second.output, first.output, networkTolerance);
    for (const [name, tensor] of await readAll(parameters, 'gradients')) {
      assertClose(
        `${name} after two`,
        tensor,
        once.get(name)!.map((g) => 2 * g),
        networkTolerance,
      );
    }
    for (const item of [withInput, without, parameters]) item.dispose();
  });

  it('accumulate is backward from the gradient of the loss', async () => {
    const { layers, inputShape, values } = network(1);
    const parameters = await createParameters(backend, layers, values);
    const program = await backend.compileTraining({ layers, inputShape, parameters });
    const dropoutKeys = dropoutKeysFor(1);
    const { logits } = await program.accumulate(
      { input: images(1), labels: Int32Array.of(2), dropoutKeys },
      1,
    );
    const expected = await readAll(parameters, 'gradients');
    await parameters.zeroGradients();
    const sum = logits.reduce((total, z) => total + Math.exp(z), 0);
    const gradient = logits.map((z, k) => Math.exp(z) / sum - (k === 2 ? 1 : 0));
    await program.backward({ input: images(1), dropoutKeys }, gradient);
    for (const [name, tensor] of await readAll(parameters, 'gradients')) {
      assertClose(name, tensor, expected.get(name)!, networkTolerance);
    }
    program.dispose();
    parameters.dispose();
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

  it('calls keep their order without being awaited', async () => {
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
    const run = async () => {
      const { layers, inputShape, values } = network(3);
      const parameters = await createParameters(backend, layers, values);
      const program = await backend.compileTraining({ layers, inputShape, parameters });
      await accumulateAndUpdate(parameters, () =>
        program.accumulate({ input: images(3), labels: labelsFor(3), dropoutKeys: dropoutKeysFor(3) }, 1 / 3),
      );
      const trained = await readAll(parameters, 'values');
      program.dispose();
      parameters.dispose();
      return trained;
    };
    assert.deepEqual(await run(), await run());
  });

  async function accumulateAndUpdate(
    parameters: Parameters,
    accumulate: () => Promise<unknown>,
  ): Promise<void> {
    for (let step = 0; step < 3; step++) {
      await accumulate();
      await parameters.update(STEP);
    }
  }
});
