import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { alone, fromFirst, shareOf } from '../../../src/core/process-team.ts';

describe('a team', () => {
  it('divides everything: nothing twice, nothing left out, parts of nearly equal size', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 20 }), (count, size) => {
        const shares = Array.from({ length: size }, (_, rank) => shareOf(count, { rank, size }));
        assert.equal(shares[0]![0], 0);
        assert.equal(shares.at(-1)![1], count);
        for (const [i, [from, to]] of shares.entries()) {
          if (i > 0) assert.equal(from, shares[i - 1]![1]);
          assert.ok(to - from === Math.floor(count / size) || to - from === Math.ceil(count / size));
        }
      }),
    );
  });

  it('of one returns its own value', async () => {
    assert.equal(await fromFirst(alone, 'mine'), 'mine');
    assert.deepEqual(shareOf(7, alone), [0, 7]);
  });
});
