/** Ranks on separate hosts, simulated on one machine. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RankDiagnosis } from '../../src/api/diagnose-ranks.ts';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { mainFile, type Outcome, outcomeOf, succeeded, words } from '../e2e/cli-process.ts';
import { QUICK, Workplace } from '../e2e/training-runs.ts';
import { canDelay, Hosts, withoutHosts } from './hosts.ts';
import { assertSameTraining, EXACT } from './same-training.ts';

describe('hosts with a network of a set bandwidth', { skip: withoutHosts }, () => {
  const work = new Workplace();
  let hosts: Hosts;
  before(() => {
    hosts = new Hosts(3);
    const delay = canDelay(hosts) ? 1 : 0;
    hosts.shape({ bandwidth: 1, delay });
  });
  after(() => hosts.remove());

  const vgg = (ranks: number, args: readonly string[]): Promise<Outcome> =>
    outcomeOf(hosts.start(ranks, mainFile, args, work.environment));

  it('of one process, for comparison', async () => {
    await succeeded(work.vgg`train ${work.path('photos')} --out ${work.path('alone')} ${EXACT}`);
  });

  for (const ranks of [2, 3]) {
    it(`${ranks} hosts: loss curve and weights are those of one process, to rounding`, async () => {
      const run = work.path(`hosts-${ranks}`);
      const before = hosts.bytesSent(ranks);
      await succeeded(vgg(ranks, words`train ${work.path('photos')} --out ${run} ${EXACT}`));
      await assertSameTraining(work.path('alone'), run);
      // At least eight exchanges went over the cable.
      const { tensors } = await readSafetensors(`${run}/best.safetensors`);
      const parameters = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
      const least = ((8 * 2 * (ranks - 1)) / ranks) * parameters * Float32Array.BYTES_PER_ELEMENT;
      const sent = hosts.bytesSent(ranks) - before;
      assert.ok(sent > least, `${sent} bytes sent, and ${least} in gradients alone`);
    });
  }

  it('the doctor names them, each with one rank', async () => {
    const { stdout } = await succeeded(vgg(3, ['doctor', '--json']));
    const { ranks, agreements } = JSON.parse(stdout) as RankDiagnosis;
    const hostsOfRanks = ranks.map(({ name }) => / on (\S+)/.exec(name)?.[1]);
    assert.deepEqual(hostsOfRanks, ['node1', 'node2', 'node3']);
    assert.ok(agreements.every(({ agreed }) => agreed));
  });

  it('one that is cut off is named, and all end', async () => {
    const run = work.path('cut');
    const endless = words`${QUICK} --iterations 100000 --checkpoint-every 2 --threads 1`;
    const args = words`train ${work.path('photos')} --out ${run} ${endless} --mpi-timeout 5`;
    const ended = outcomeOf(hosts.start(2, mainFile, args, work.environment));
    while (!existsSync(`${run}/last.safetensors`)) await sleep(50);
    hosts.cut(2);
    // Both ends of the cable notice; mpirun itself would wait a long time for the host that it cannot reach.
    while (hosts.runs(1, mainFile) || hosts.runs(2, mainFile)) await sleep(100);
    hosts.endProcesses();
    const { stderr } = await ended;
    assert.match(stderr, /^vgg: rank 1 on node2 \(process \d+\) has sent no heartbeat for \d+ s: /m);
  });
});
