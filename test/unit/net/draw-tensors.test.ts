import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchProgress } from '../../../src/core/progress-channel.ts';
import { drawTensors } from '../../../src/net/draw-tensors.ts';
import { initialize } from '../../../src/net/initialization.ts';
import { buildNetwork } from '../../../src/net/network.ts';

const network = buildNetwork({ configuration: 'A', classes: 3, crop: 32, width: 0.125 });
const initialization = { method: 'glorot', seed: 5 } as const;

test('draws the values of initialize, in parts, and reports how many it has', async (t) => {
  const reports: number[] = [];
  t.after(watchProgress(({ done, total }) => reports.push(done / total)));
  assert.deepEqual(await drawTensors(network, initialization), initialize(network, initialization));
  assert.equal(reports.at(-1), 1);
  assert.deepEqual(
    [...reports].sort((a, b) => a - b),
    reports,
  );
});

test('draws only the tensors that are named', async () => {
  const drawn = await drawTensors(network, initialization, { names: ['fc8.weight'] });
  assert.deepEqual([...drawn.keys()], ['fc8.weight']);
});

test('a signal ends it between two parts', async () => {
  const signal = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(drawTensors(network, initialization, { signal }), /stopped/);
});
