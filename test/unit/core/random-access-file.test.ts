import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReadWindow } from '../../../src/core/random-access-file.ts';
import { range } from '../../support/lists.ts';

describe('ReadWindow', () => {
  const content = Buffer.from(range(100));

  it('returns the bytes of any piece, in any order, within the source', async () => {
    const piece = fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 40 }));
    await fc.assert(
      fc.asyncProperty(fc.array(piece), fc.integer({ min: 1, max: 60 }), async (pieces, size) => {
        const readInto = async (position: number, target: Uint8Array): Promise<void> => {
          assert.ok(position + target.length <= content.length);
          target.set(content.subarray(position, position + target.length));
        };
        const window = new ReadWindow({ readInto }, content.length, size);
        for (const [position, wanted] of pieces) {
          const length = Math.min(wanted, content.length - position);
          const expected = content.subarray(position, position + length);
          assert.deepEqual(await window.read(position, length), expected);
        }
      }),
    );
  });

  it('reads neighbors once', async () => {
    let reads = 0;
    const window = new ReadWindow({ readInto: async () => void reads++ }, 100, 50);
    for (const position of [10, 20, 59, 0, 49]) await window.read(position, 1);
    assert.equal(reads, 2);
  });
});
