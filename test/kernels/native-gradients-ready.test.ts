import assert from 'node:assert/strict';
import { it } from 'node:test';
import { elementCount } from '../../src/core/shape.ts';
import { describeBackends, otherBackends } from '../support/backends.ts';
import { createParameters, inTraining } from '../support/chains.ts';
import { images, labelsFor, network } from '../support/small-network.ts';

describeBackends(
  'final gradients',
  (backend) => {
    it('are reported from the last tensor to the first, and no longer change', async () => {
      await inTraining(backend, network(4), async (program, parameters) => {
        const block = parameters.gradientBlock();
        const offsets: number[] = [];
        let end = 0;
        for (const { shape } of parameters.specs) {
          offsets.push(end);
          end += elementCount(shape);
        }
        assert.equal(block.length, end);
        const told: { readonly tensor: number; readonly gradients: Float32Array }[] = [];
        const batch = { input: images(4), labels: labelsFor(4) };
        await program.accumulate(batch, 0.25, (tensor) =>
          told.push({ tensor, gradients: block.slice(offsets[tensor]) }),
        );
        // Four convolutions, each with a weight and a bias.
        const tensors = told.map(({ tensor }) => tensor);
        assert.deepEqual(tensors, [6, 4, 2, 0]);
        for (const { tensor, gradients } of told) {
          assert.deepEqual(gradients, block.slice(offsets[tensor]), `from tensor ${tensor} on`);
        }
        assert.ok(block.every(Number.isFinite) && block.some((value) => value !== 0));
      });
    });

    it('a block of gradients equals what read returns, and outlives its parameters', async () => {
      const { layers, values } = network(1);
      const parameters = await createParameters(backend, layers, values);
      const { name } = parameters.specs[0]!;
      const block = parameters.gradientBlock();
      block[0] = 42;
      assert.equal((await parameters.read('gradients', name))[0], 42);
      parameters.dispose();
      assert.equal(block[0], 42);
      assert.throws(() => parameters.gradientBlock(), /disposed/);
    });
  },
  // Gradients in a GPU's or a WebAssembly engine's memory cannot be exchanged.
  otherBackends.filter(({ name }) => name !== 'webgpu' && name !== 'wasm'),
);
