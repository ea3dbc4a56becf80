import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { TrainingProgram } from '../../src/kernels/backend.ts';
import { backendsUnderTest } from '../support/backends.ts';
import { createParameters, randomValues } from '../support/chains.ts';
import { randomTensor } from '../support/tensors.ts';

const { backend, missing } = backendsUnderTest.find(({ name }) => name === 'onednn')!;
const skip = missing ?? false;

const layers: Layer[] = [
  { kind: 'convolution', name: 'a', kernel: 3, padding: 1, inChannels: 32, outChannels: 64 },
  { kind: 'relu', name: 'a_relu' },
  { kind: 'convolution', name: 'b', kernel: 3, padding: 1, inChannels: 64, outChannels: 64 },
];

describe('native: the event loop', { skip }, () => {
  it('goes on, and serves HTTP, while one training step takes more than a second', async () => {
    const parameters = await createParameters(backend!, layers, randomValues(layers, 1));
    const { step, dispose } = await stepOfMoreThanASecond((inputShape) =>
      backend!.compileTraining({ layers, inputShape, parameters }),
    );
    const server = createServer((_, response) => response.end('alive'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

    let ticks = 0;
    let lastTick = performance.now();
    let longestGap = 0;
    let answers = 0;
    let running = true;
    const timer = setInterval(() => {
      ticks++;
      longestGap = Math.max(longestGap, performance.now() - lastTick);
      lastTick = performance.now();
    }, 10);
    const client = (async () => {
      while (running) {
        assert.equal(await (await fetch(url)).text(), 'alive');
        if (running) answers++;
      }
    })();
    const start = performance.now();
    await step();
    const seconds = (performance.now() - start) / 1000;
    running = false;
    clearInterval(timer);
    await client;
    await new Promise((resolve) => server.close(resolve));
    dispose();
    parameters.dispose();

    assert.ok(seconds > 1, `the step took ${seconds} s`);
    // A free event loop ticks 100 times a second, a blocked one not at all during the step. Where other tests
    // keep all cores busy it comes in between, but it does come.
    assert.ok(ticks >= 8, `${ticks} ticks in ${seconds} s`);
    assert.ok(answers >= 3, `${answers} answers in ${seconds} s`);
    assert.ok(longestGap < 500 * seconds, `no tick for ${longestGap} ms of ${seconds} s`);
  });
});

/** Enlarges the batch until one step takes more than a second on this machine. */
async function stepOfMoreThanASecond(
  compile: (shape: Shape4) => Promise<TrainingProgram>,
): Promise<{ step: () => Promise<unknown>; dispose: () => void }> {
  for (let batch = 2; ; batch *= 2) {
    const shape: Shape4 = [batch, 32, 112, 112];
    const program = await compile(shape);
    const input = randomTensor(1, shape);
    const outputGradient = randomTensor(2, program.outputShape);
    const step = () => program.backward({ input }, outputGradient);
    const start = performance.now();
    await step();
    // Twice as long as needed, as the next run may be quicker.
    if (performance.now() - start > 2000) return { step, dispose: () => program.dispose() };
    program.dispose();
  }
}
