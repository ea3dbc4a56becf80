import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { layerCosts } from '../../src/net/cost.ts';
import { buildNetwork } from '../../src/net/network.ts';
import type { Benchmark } from '../../src/report/benchmark-result.ts';
import { backendsUnderTest } from '../support/backends.ts';
import { failed, jsonOf, succeeded, vgg, words } from './cli-process.ts';

const sizes = { crop: 32, width: 0.0625, classes: 4 } as const;
const small = words`--config A --crop 32 --width 0.0625 --classes 4 --seconds 0.01`;
const products = layerCosts(buildNetwork({ configuration: 'A', ...sizes })).map((cost) => cost.multiplyAdds);
const forward = products.reduce((sum, count) => sum + count, 0);
const OPERATIONS = { infer: 2 * forward, train: 2 * (3 * forward - products[0]!) };

for (const { name, skip, backend } of backendsUnderTest) {
  describe(`vgg bench --backend ${name}`, { skip }, () => {
    for (const mode of ['infer', 'train'] as const) {
      test(`${mode}: one JSON document, whose speed is that of its time`, async () => {
        const command = vgg`bench ${small} --backend ${name} --mode ${mode} --batch 2 --json`;
        const result: Benchmark = await jsonOf(command);
        assert.deepEqual([result.backend, result.mode, result.batch], [name, mode, 2]);
        assert.ok(result.engine.length > 0);
        assert.ok(result.runs >= 3);
        assert.ok(result.msPerImage > 0 && result.msPerImage <= result.medianMsPerImage);
        const operations = result.gflops * result.msPerImage * 1e6;
        assert.ok(Math.abs(operations / OPERATIONS[mode] - 1) < 1e-9, `${operations}`);
        assert.ok(result.programBytes > 0 && result.parameterBytes > 0);
        // Only a processor's threads have a peak that is measured, and the reference has no clock for layers.
        assert.equal(result.peakGflops !== undefined, backend?.instruments.peakFlops !== undefined);
        assert.equal(result.layers.length > 0, backend?.instruments.stageClock !== undefined);
        for (const row of result.layers) {
          assert.equal(row.shareOfPeak !== undefined, backend?.instruments.peakFlops !== undefined);
        }
        if (result.layers.length === 0) return;
        const shares = result.layers.reduce((sum, { shareOfTime }) => sum + shareOfTime, 0);
        assert.ok(Math.abs(shares - 1) < 1e-9, `${shares}`);
        const passes = result.layers.filter((row) => row.name === 'fc8').map(({ pass }) => pass);
        const backward = mode === 'train' ? ['weight gradient', 'input gradient'] : [];
        assert.deepEqual(passes, ['forward', ...backward]);
        assert.equal(result.layers.at(-1)!.pass, 'rest');
      });
    }

    test('a table, with a column for the peak if it was measured', async () => {
      const { stdout } = await succeeded(vgg`bench ${small} --backend ${name} --batch 1`);
      assert.match(stdout, /^network +A, crop 32, width 0\.0625, batch 1$/m);
      assert.match(stdout, /^memory +program .*, parameters .*; peak of the process .*$/m);
      assert.equal(stdout.includes('share of peak'), backend?.instruments.peakFlops !== undefined);
      assert.equal(/conv1_1 +│ forward/.test(stdout), backend?.instruments.stageClock !== undefined);
    });
  });
}

describe('vgg bench', () => {
  test('flags that belong to another backend are refused', async () => {
    const message = /^vgg: precision bf16 works only with the native backend, not with reference: /m;
    await failed(vgg`bench ${small} --backend reference --precision bf16`, 2, message);
  });
});
