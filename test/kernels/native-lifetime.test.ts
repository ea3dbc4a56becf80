import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { type Layer, parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import { nativeUnderTest } from '../support/backends.ts';
import {
  chainCase,
  convolution,
  createParameters,
  maxPool,
  randomValues,
  relu,
  runForward,
} from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { backend, skip } = nativeUnderTest;

const layers: Layer[] = [convolution(3, 8), relu()];
const inputShape: Shape4 = [2, 3, 16, 16];

describe('native: lifetimes', { skip }, () => {
  it('finishes calls made before dispose', async () => {
    const values = randomValues(layers, 2);
    const parameters = await createParameters(backend!, layers, values);
    const program = await backend!.compile({ layers, inputShape, parameters });
    const input = randomTensor(1, inputShape);
    const expected = await program.forward(input);
    const runs = Array.from({ length: 20 }, () => program.forward(input));
    const read = parameters.read('values', 'conv.bias');
    program.dispose();
    parameters.dispose();
    for (const output of await Promise.all(runs)) assertClose('output', output, expected, 0);
    assert.deepEqual(await read, values.get('conv.bias'));
  });

  it('lets NaN through, so that a diverging run shows it', async () => {
    const chain: Layer[] = [...layers, maxPool()];
    for (const chosen of [chain, layers]) {
      const input = randomTensor(1, inputShape).fill(Number.NaN, 0, 3 * 16 * 16);
      const output = await runForward(backend!, chainCase(chosen, inputShape, 1), input);
      const half = output.length / 2;
      assert.ok(output.subarray(0, half).every(Number.isNaN));
      assert.ok(output.subarray(half).every(Number.isFinite));
    }
  });

  const modules = {
    backend: new URL('../../src/kernels/native/open-native.js', import.meta.url).href,
  };
  /** Runs a script in a separate process, with a `backend`, a slow `program`, and its `input`. */
  function runScript(script: string): { status: number | null; output: string; seconds: number } {
    const prelude = `
      import { createNativeBackend } from ${JSON.stringify(modules.backend)};
      const layers = ${JSON.stringify([{ ...layers[0], outChannels: 64 }])};
      const inputShape = [256, 3, 224, 224];
      const backend = createNativeBackend({ threads: 2 });
      const parameters = backend.createParameters(${JSON.stringify(parameterSpecs(layers.slice(0, 1)))}
        .map((spec) => ({ ...spec, shape: [64, ...spec.shape.slice(1)] })), { training: false });
      const program = await backend.compile({ layers, inputShape: [8, 3, 224, 224], parameters });
      const input = new Float32Array(8 * 3 * 224 * 224);`;
    const start = performance.now();
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', prelude + script],
      { encoding: 'utf8', timeout: 60_000 },
    );
    return { status, output: stdout + stderr, seconds: (performance.now() - start) / 1000 };
  }

  it('an idle backend neither keeps the process alive nor disturbs its exit', () => {
    const { status, output } = runScript('console.log((await program.forward(input)).length);');
    assert.deepEqual({ status, output }, { status: 0, output: `${8 * 64 * 224 * 224}\n` });
  });

  it('a running job keeps the process alive until it is done', () => {
    const { status, output } = runScript("program.forward(input).then(() => console.log('done'));");
    assert.deepEqual({ status, output }, { status: 0, output: 'done\n' });
  });

  it('process.exit ends the process with jobs queued', () => {
    const { status, output, seconds } = runScript(`
      for (let i = 0; i < 1000; i++) program.forward(input).catch(() => {});
      setTimeout(() => process.exit(7), 50);`);
    assert.deepEqual({ status, output }, { status: 7, output: '' });
    assert.ok(seconds < 30, `it took ${seconds} s`);
  });

  it('a worker of node:worker_threads may have a separate backend, and be terminated', () => {
    const { status, output } = runScript(`
      import { Worker } from 'node:worker_threads';
      const script = \`
        const { parentPort } = require('node:worker_threads');
        import(${JSON.stringify(modules.backend)}).then(async ({ createNativeBackend }) => {
          const backend = createNativeBackend({ threads: 1 });
          const layers = [{ kind: 'relu', name: 'relu' }];
          const parameters = backend.createParameters([], { training: false });
          const program = await backend.compile({ layers, inputShape: [1, 1, 1, 2], parameters });
          parentPort.postMessage(await program.forward(new Float32Array([-1, 2])));
          setInterval(() => program.forward(new Float32Array([-1, 2])), 1);
        });\`;
      const worker = new Worker(script, { eval: true, execArgv: [] });
      worker.once('message', async (output) => {
        await worker.terminate();
        console.log(JSON.stringify([...output]), (await program.forward(input)).length);
      });`);
    assert.deepEqual({ status, output }, { status: 0, output: `[0,2] ${8 * 64 * 224 * 224}\n` });
  });
});
