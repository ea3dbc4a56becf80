/** What only the WebAssembly backend has: its committed modules, its two variants, threads that share memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import * as relaxed from '../../src/kernels/wasm/binary/relaxed.ts';
import * as simd from '../../src/kernels/wasm/binary/simd.ts';
import { openWasmBackend } from '../../src/kernels/wasm/node-engine.ts';
import { inTraining, readAll } from '../support/chains.ts';
import { images, labelsFor, network } from '../support/small-network.ts';
import { dropoutKeysFor } from '../support/tensors.ts';

describe('wasm', () => {
  it('is built from the sources that are here: otherwise run native/kernels/wasm/build.py', async () => {
    const folder = join(projectFolder, 'native/kernels');
    const paths = (await readdir(folder, { recursive: true }))
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => /\.[ch]pp$|^wasm\/build\.py$/.test(path))
      .filter((path) => !/^(binding|worker|selftest|avx)/.test(path.split('/').at(-1)!))
      .sort((a, b) => (a < b ? -1 : 1));
    const checksum = createHash('sha256');
    for (const path of paths) checksum.update(`${path}\n`).update(await readFile(join(folder, path)));
    assert.equal(simd.sources, relaxed.sources);
    assert.equal(simd.sources, checksum.digest('hex'));
  });

  it('is at most 200 kB compressed', () => {
    for (const { compressed } of [simd, relaxed]) assert.ok((compressed.length / 4) * 3 <= 200_000);
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
