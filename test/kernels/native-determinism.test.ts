import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Backend } from '../../src/kernels/backend.ts';
import { buildNetwork, cropShape } from '../../src/net/network.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { chainCase, inTraining, readAll } from '../support/chains.ts';
import { dropoutKeysFor, randomTensor } from '../support/tensors.ts';

const { backend, skip } = nativeUnderTest;

const network = buildNetwork({ configuration: 'A', classes: 10, crop: 32, width: 0.25 });
const BATCH = 24;

/** Returns all parameters after training for some steps with micro-batches, the last of which is partial. */
function train(target: Backend, steps: number): Promise<Map<string, Float32Array>> {
  const testCase = chainCase(network.layers, cropShape(network, BATCH), 1);
  return inTraining(target, testCase, async (program, parameters) => {
    for (let step = 0; step < steps; step++) {
      for (const images of [BATCH, BATCH - 7]) {
        const input = randomTensor(100 + step, [images, 3, 32, 32]);
        const labels = Int32Array.from({ length: images }, (_, i) => (i * 7 + step) % 10);
        const batch = { input, labels, dropoutKeys: dropoutKeysFor(images) };
        await program.accumulate(batch, 1 / (2 * BATCH - 7));
      }
      await parameters.update({ learningRate: 0.001, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 });
    }
    return readAll(parameters, 'values');
  });
}

describe('native: determinism', { skip }, () => {
  it('the same calls give the same bits', async () => {
    const first = await train(backend!, 5);
    const second = await train(backend!, 5);
    for (const [name, values] of first) {
      assert.ok(values.every(Number.isFinite), `${name} is finite`);
      assert.deepEqual(bits(second.get(name)!), bits(values), name);
    }
  });
});

function bits(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
