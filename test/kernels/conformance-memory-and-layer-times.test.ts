/** What backends measure: the memory of parameters, and the time of each layer in a run. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Backend } from '../../src/kernels/backend.ts';
import { canonicalBytes } from '../../src/kernels/canonical-parameters.ts';
import { describeBackends } from '../support/backends.ts';
import { inTraining, readAll } from '../support/chains.ts';
import { images, labelsFor, network } from '../support/small-network.ts';

const BATCH = 2;
const { layers, inputShape } = network(BATCH);
const isConvolution = (layer: number) => layers[layer]!.kind === 'convolution';
const convolutions = [...layers.keys()].filter(isConvolution);

/** Runs one training step, with the layers timed if possible. */
function step(backend: Backend, watched: boolean) {
  return inTraining(backend, network(BATCH), async (program, parameters) => {
    const run = () => program.accumulate({ input: images(BATCH), labels: labelsFor(BATCH) }, 1 / BATCH);
    const clock = backend.instruments.stageClock;
    const stages = watched && clock ? await clock.watch(program, run) : void (await run());
    await backend.instruments.finish();
    return { stages, gradients: await readAll(parameters, 'gradients') };
  });
}

describeBackends('memory and layer times', (backend) => {
  it('the bytes of parameters are at least those of their values', () => {
    for (const training of [false, true]) {
      const parameters = backend.createParameters([{ name: 'w', shape: [7, 5, 3, 3], role: 'weight' }], {
        training,
      });
      const bytes = backend.instruments.parameterBytes(parameters);
      assert.ok(bytes >= canonicalBytes(parameters), `${bytes}`);
      assert.equal(bytes % (training ? 3 : 1), 0);
      parameters.dispose();
    }
  });

  it('timing a step does not change a bit of its gradients', async () => {
    const [watched, alone] = [await step(backend, true), await step(backend, false)];
    assert.deepEqual(watched.gradients, alone.gradients);
  });

  it('a step times each layer forward, then backward, without a gradient of the images', async (t) => {
    if (!backend.instruments.stageClock) {
      t.skip('this backend has no clock for layers');
      return;
    }
    const stages = (await step(backend, true)).stages!;
    const of = (pass: string) =>
      stages.filter((stage) => stage.pass === pass && isConvolution(stage.layer)).map(({ layer }) => layer);
    assert.deepEqual(of('forward'), convolutions);
    assert.deepEqual(of('weight gradient'), convolutions.toReversed());
    assert.deepEqual(of('input gradient'), convolutions.slice(1).toReversed());
    const turn = stages.findIndex(({ pass }) => pass !== 'forward');
    assert.ok(stages.slice(turn).every(({ pass }) => pass !== 'forward'));
    const back = stages.slice(turn).map(({ layer }) => layer);
    const downwards = back.toSorted((a, b) => b - a);
    assert.deepEqual(back, downwards);
    assert.ok(stages.every(({ seconds, algorithm }) => seconds >= 0 && algorithm.length > 0));
    assert.ok(stages.some(({ seconds }) => seconds > 0));
  });

  it('a program of another backend is refused', async (t) => {
    const clock = backend.instruments.stageClock;
    if (!clock) {
      t.skip('this backend has no clock for layers');
      return;
    }
    const foreign = { inputShape, outputShape: inputShape, memoryBytes: 0, dispose() {} };
    await assert.rejects(
      async () => clock.watch({ ...foreign, forward: async (input) => input }, async () => {}),
      /belongs to another backend/,
    );
  });
});
