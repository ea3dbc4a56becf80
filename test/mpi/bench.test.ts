import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Benchmark } from '../../src/report/benchmark-result.ts';
import { pluck } from '../support/lists.ts';

import { vggRanks, withoutMpi } from './ranks.ts';

const SMALL = ['bench', '--config', 'A', '--width', '0.25', '--crop', '32', '--batch', '2'];
const SHORT = ['--mode', 'train', '--seconds', '0.1', '--threads', '1'];

describe('vgg bench over ranks', { skip: withoutMpi }, () => {
  it('reports for each layer the part of its exchange that the backward pass hid', async () => {
    const { code, stdout, stderr } = await vggRanks(2, [...SMALL, ...SHORT, '--json'], {});
    assert.equal(code, 0, stderr);
    const { exchange } = JSON.parse(stdout) as Benchmark;
    assert.equal(exchange!.ranks, 2);
    assert.ok(exchange!.seconds > 0 && exchange!.exposedSeconds >= 0);
    assert.deepEqual(pluck(exchange!.layers, 'layer'), [
      ...['1_1', '2_1', '3_1', '3_2', '4_1', '4_2', '5_1', '5_2'].map((name) => `conv${name}`),
      'fc6',
      'fc7',
      'fc8',
    ]);
    for (const { sentAt, arrivedAt, hidden } of exchange!.layers) {
      assert.ok(sentAt < arrivedAt && hidden >= 0 && hidden <= 1);
    }
    const [first, last] = [exchange!.layers[0]!, exchange!.layers.at(-1)!];
    assert.ok(last.sentAt <= first.sentAt, 'the last layer is sent first');
  });
});
