/** What only the WebAssembly backend has: its committed modules, its two variants, threads that share memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import * as relaxed from '../../src/kernels/wasm/binary/relaxed.ts';
import * as simd from '../../src/kernels/wasm/binary/simd.ts';
import { createWasmBackend, openWasmBackend } from '../../src/kernels/wasm/node-engine.ts';
import { inTraining, readAll } from '../support/chains.ts';
import { images, labelsFor, network } from '../support/small-network.ts';
import { dropoutKeysFor } from '../support/tensors.ts';

describe('wasm', () => {
  it('is built from the sources that are here: otherwise run native/kernels/wasm/build.py', async () => {
    const folder = join(projectFolder, 'native/kernels');
    const paths = (await readdir(folder, { recursive: true }))
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => /\.[ch]pp$|^wasm\/build\.py$/.test(path))
      .filter((path) => !/^(binding|gpu_layer|worker|selftest|avx)/.test(path.split('/').at(-1)!))
      .sort((a, b) => (a < b ? -1 : 1));
    const checksum = createHash('sha256');
    for (const path of paths) checksum.update(`${path}\n`).update(await readFile(join(folder, path)));
    assert.equal(simd.sources, relaxed.sources);
    assert.equal(simd.sources, checksum.digest('hex'));
  });

  it('is at most 200 kB compressed', () => {
    for (const { compressed } of [simd, relaxed]) assert.ok((compressed.length / 4) * 3 <= 200_000);
  });

  it('copies a tensor of several pieces before later calls, and parts of it', async () => {
    const backend = await openWasmBackend({ threads: 1 });
    const count = 2 ** 23 + 5;
    const spec = { name: 'w', shape: [count, 1, 1, 1], role: 'weight' } as const;
    const parameters = backend.createParameters([spec], { training: false });
    const data = Float32Array.from({ length: count }, (_, i) => i % 1001);
    const written = parameters.write('values', 'w', data);
    // Not awaited: calls run in the order in which they were made.
    const first = parameters.read('values', 'w');
    const part = parameters.writePart!('w', Float32Array.of(-1, -2), count - 2);
    const second = await parameters.read('values', 'w');
    await Promise.all([written, part]);
    assert.deepEqual(await first, data);
    assert.deepEqual([...second.subarray(-3)], [data.at(-3), -1, -2]);
    await assert.rejects(parameters.writePart!('w', Float32Array.of(1, 2), count - 1), RangeError);
    backend.close();
    await assert.rejects(parameters.read('values', 'w'), /the engine has ended/);
  });

  it('computes in a process that does not wait for its start', async () => {
    const backend = createWasmBackend({ threads: 2, variant: 'simd' });
    const results = [];
    for (const one of [backend, await openWasmBackend({ threads: 2, variant: 'simd' })]) {
      results.push(
        await inTraining(one, network(2), async (program) =>
          program.accumulate({ input: images(2), labels: labelsFor(2) }, 1),
        ),
      );
    }
    assert.deepEqual(results[1], results[0]);
  });

  it('gives the same bits with one thread and with three', async () => {
    const results = [];
    for (const threads of [1, 3]) {
      const backend = await openWasmBackend({ threads, variant: 'simd' });
      results.push(
        await inTraining(backend, network(4), async (program, parameters) => {
          const batch = { input: images(4), labels: labelsFor(4), dropoutKeys: dropoutKeysFor(4) };
          return [await program.accumulate(batch, 0.25), await readAll(parameters, 'gradients')];
        }),
      );
    }
    assert.deepEqual(results[1], results[0]);
  });
});
