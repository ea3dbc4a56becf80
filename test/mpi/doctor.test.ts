import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RankDiagnosis } from '../../src/api/diagnose-ranks.ts';
import { Workplace } from '../e2e/training-runs.ts';
import { vggRanks, withoutMpi } from './ranks.ts';

describe('vgg doctor over ranks', { skip: withoutMpi }, () => {
  const work = new Workplace();

  it('reports what the ranks have in common, and how fast they exchange sums', async () => {
    const args = ['doctor', work.path('photos'), '--json'];
    const { code, stdout, stderr } = await vggRanks(2, args, work.environment);
    assert.equal(code, 0, stderr);
    const { ok, ranks, agreements, latency, exchanges } = JSON.parse(stdout) as RankDiagnosis & {
      readonly ok: boolean;
    };
    assert.ok(ok);
    assert.equal(ranks.length, 2);
    assert.match(ranks[1]!.images!, /^24 images/);
    assert.ok(agreements.every(({ agreed }) => agreed));
    assert.ok(latency > 0 && exchanges.every(({ gigabitsPerSecond }) => gigabitsPerSecond > 0));
  });
});
