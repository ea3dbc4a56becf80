/** Partial batches, micro-batches, and accumulation of gradients. */
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { describeBackends } from '../support/backends.ts';
import { assertAllClose, createParameters, inTraining, readAll, runForward } from '../support/chains.ts';
import { CLASSES, IMAGE, images, labelsFor, network } from '../support/small-network.ts';
import { assertClose, dropoutKeysFor, randomTensor } from '../support/tensors.ts';

describeBackends('batches', (backend, { layerTolerance, networkTolerance }) => {
  it('a partial batch gives the same results as a batch of that size', async () => {
    const full = network(5);
    for (const count of [1, 2, 4]) {
      const partial = await runForward(backend, full, images(count));
      const exact = await runForward(backend, network(count), images(count));
      assertClose('output', partial, exact, networkTolerance);
    }
  });

  it('images missing from a partial batch contribute exactly nothing', async () => {
    const batch = { input: images(2), labels: labelsFor(2), dropoutKeys: dropoutKeysFor(2) };
    const fresh = await inTraining(backend, network(4), async (program, parameters) => ({
      outcome: await program.accumulate(batch, 0.5),
      gradients: await readAll(parameters, 'gradients'),
    }));
    // The same program after a full batch of values that would be noticed wherever they remain.
    await inTraining(backend, network(4), async (program, parameters) => {
      for (const trace of [1e6, Number.NaN]) {
        const input = images(4).map((x, i) => (i < 2 * IMAGE ? x : trace));
        await program.accumulate({ input, labels: labelsFor(4) }, 1);
      }
      await parameters.zeroGradients();
      assert.deepEqual(await program.accumulate(batch, 0.5), fresh.outcome);
      assert.deepEqual(await readAll(parameters, 'gradients'), fresh.gradients);
    });
  });

  it('micro-batches accumulate to the gradient of the whole batch', async () => {
    const count = 6;
    const input = images(count);
    const labels = labelsFor(count);
    const dropoutKeys = dropoutKeysFor(count);
    const gradientsFor = (split: readonly number[]) =>
      inTraining(backend, network(Math.max(...split)), async (program, parameters) => {
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
        return { losses, gradients: await readAll(parameters, 'gradients') };
      });
    const whole = await gradientsFor([6]);
    // Sums are in a different order, so results differ by rounding.
    for (const split of [
      [3, 3],
      [2, 2, 2],
      [4, 2],
      [1, 1, 1, 1, 1, 1],
    ]) {
      const parts = await gradientsFor(split);
      assertClose(`losses of ${split}`, parts.losses, whole.losses, layerTolerance);
      assertAllClose(parts.gradients, whole.gradients, networkTolerance, ` from ${split}`);
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
    const doubled = new Map([...once].map(([name, tensor]) => [name, tensor.map((g) => 2 * g)]));
    assertAllClose(await readAll(parameters, 'gradients'), doubled, networkTolerance, ' after two');
    for (const item of [withInput, without, parameters]) item.dispose();
  });

  it('accumulate equals backward from the gradient of the loss', async () => {
    await inTraining(backend, network(1), async (program, parameters) => {
      const dropoutKeys = dropoutKeysFor(1);
      const batch = { input: images(1), labels: Int32Array.of(2), dropoutKeys };
      const { logits } = await program.accumulate(batch, 1);
      const expected = await readAll(parameters, 'gradients');
      await parameters.zeroGradients();
      const sum = logits.reduce((total, z) => total + Math.exp(z), 0);
      const gradient = logits.map((z, k) => Math.exp(z) / sum - (k === 2 ? 1 : 0));
      await program.backward({ input: images(1), dropoutKeys }, gradient);
      assertAllClose(await readAll(parameters, 'gradients'), expected, networkTolerance);
    });
  });
});
