import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pluck, range } from '../support/lists.ts';
import type { Report } from './communicator-worker.ts';
import { runRanks, withoutMpi } from './ranks.ts';

/** Rounding to 8 bits moves each term by half a unit in the eighth place, and the sum once more. */
function assertNear(value: number, exact: number, what: string): void {
  assert.ok(Math.abs(value - exact) <= exact * 2 * 2 ** -8, `${what}: ${value} for ${exact}`);
}

/** The sum in float32, term by term in the order of the ranks. */
function expectedSum(ranks: number, i: number): number {
  let sum = 0;
  for (let rank = 0; rank < ranks; rank++) {
    sum = Math.fround(sum + Math.fround((1 + rank) ** 3 / (3 + i)));
  }
  return sum;
}

describe('ranks over MPI', { skip: withoutMpi }, () => {
  for (const ranks of [1, 2, 3, 4]) {
    let reports: Report[];

    it(`${ranks}: sums in the order of the ranks, the same bits on all`, async () => {
      reports = await runRanks<Report[]>(ranks, './communicator-worker.js');
      assert.deepEqual(pluck(reports, 'rank'), range(ranks));
      const several = Array.from({ length: 9 }, (_, count) =>
        Array.from({ length: count }, (_, i) => expectedSum(ranks, i)),
      ).flat();
      for (const report of reports) {
        assert.equal(report.size, ranks);
        report.sum.forEach((value, i) => {
          assert.equal(value, expectedSum(ranks, i), `value ${i} on rank ${report.rank}`);
        });
        assert.deepEqual(report.several, several);
        assert.deepEqual(report.broadcast, [0.5, 0]);
        assert.deepEqual(
          report.gathered,
          Array.from({ length: ranks }, (_, rank) => ({ rank, text: 'ö'.repeat(rank) })),
        );
        assert.match(report.name, new RegExp(`^rank ${report.rank} on \\S+ \\(process \\d+\\)$`));
      }
    });

    it(`${ranks}: sums of messages sent in pieces are as exact, and the same bits on all`, () => {
      const [first, ...others] = reports;
      for (const [i, value] of first!.long) assert.equal(value, expectedSum(ranks, i), `value ${i}`);
      for (const [i, value] of first!.longBrief) assertNear(value, expectedSum(ranks, i), `value ${i}`);
      for (const { checksums } of others) assert.deepEqual(checksums, first!.checksums);
    });

    it(`${ranks}: sums of bf16 are exact to 8 bits, and the same bits on all`, () => {
      const [first, ...others] = reports;
      for (const [i, value] of first!.brief.entries()) assertNear(value, expectedSum(ranks, i), `value ${i}`);
      for (const other of others) assert.deepEqual(other.brief, first!.brief);
    });
  }

  it('1: nothing is sent, so nothing is rounded to bf16', async () => {
    const [only] = await runRanks<Report[]>(1, './communicator-worker.js');
    for (const [i, value] of only!.brief.entries()) assert.equal(value, expectedSum(1, i), `value ${i}`);
    for (const [i, value] of only!.longBrief) assert.equal(value, expectedSum(1, i), `value ${i}`);
  });
});
