import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { TrainingProgram } from '../../src/kernels/backend.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { convolution, createParameters, randomValues, relu } from '../support/chains.ts';
import { randomTensor } from '../support/tensors.ts';

const { backend, skip } = nativeUnderTest;

const layers: Layer[] = [
  convolution(32, 64, { name: 'a' }),
  relu('a_relu'),
  convolution(64, 64, { name: 'b' }),
];

describe('native: the event loop', { skip }, () => {
  it('keeps running, and serves HTTP, while one training step takes more than a second', async () => {
    const parameters = await createParameters(backend!, layers, randomValues(layers, 1));
    const { seconds, ticks, answers, longestGap } = await duringMoreThanASecond((inputShape) =>
      backend!.compileTraining({ layers, inputShape, parameters }),
    );
    parameters.dispose();

    // A free event loop ticks 100 times a second, a blocked one not at all. When other tests keep all cores busy, it
    // ticks less often, but it does tick.
    assert.ok(ticks >= 8, `${ticks} ticks in ${seconds} s`);
    assert.ok(answers >= 3, `${answers} answers in ${seconds} s`);
    assert.ok(longestGap < 0.5 * seconds, `no tick for ${longestGap} s of ${seconds} s`);
  });
});

interface Observation {
  /** Duration of the step, in seconds. */
  readonly seconds: number;
  /** How often a 10 ms timer fired in that time, and the longest gap, in seconds. */
  readonly ticks: number;
  readonly longestGap: number;
  /** How many HTTP requests were answered in that time. */
  readonly answers: number;
}

/**
 * Observes the event loop during a training step of more than a second. The batch size that takes this long depends on
 * the machine and varies between steps, so the batch grows until an observed step takes long enough.
 */
async function duringMoreThanASecond(
  compile: (shape: Shape4) => Promise<TrainingProgram>,
): Promise<Observation> {
  for (let batch = 4; ; batch *= 2) {
    const shape: Shape4 = [batch, 32, 112, 112];
    const program = await compile(shape);
    const input = randomTensor(1, shape);
    const outputGradient = randomTensor(2, program.outputShape);
    const observation = await watch(() => program.backward({ input }, outputGradient));
    program.dispose();
    if (observation.seconds > 1) return observation;
  }
}

async function watch(step: () => Promise<unknown>): Promise<Observation> {
  const server = createServer((_, response) => response.end('alive'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  let ticks = 0;
  let answers = 0;
  let longestGap = 0;
  let running = true;
  const start = performance.now();
  let lastTick = start;
  const timer = setInterval(() => {
    ticks++;
    longestGap = Math.max(longestGap, (performance.now() - lastTick) / 1000);
    lastTick = performance.now();
  }, 10);
  const client = (async () => {
    while (running) {
      assert.equal(await (await fetch(url)).text(), 'alive');
      if (running) answers++;
    }
  })();
  await step();
  const seconds = (performance.now() - start) / 1000;
  running = false;
  clearInterval(timer);
  await client;
  await new Promise((resolve) => server.close(resolve));
  return { seconds, ticks, answers, longestGap };
}
