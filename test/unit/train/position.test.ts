import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyOfSeed } from '../../../src/core/random.ts';
import { ImageSequence } from '../../../src/train/position.ts';

function images(sequence: ImageSequence, start: number, length: number, piece: number): string[] {
  return [...sequence.pieces(start, length, piece)].flatMap(({ epoch, images }) =>
    [...images].map((image) => `${epoch}:${image}`),
  );
}

describe('the sequence of training images', () => {
  it('visits every image once an epoch', () => {
    const epoch = images(new ImageSequence(11, keyOfSeed(1)), 11, 11, 4);
    assert.deepEqual(epoch.sort(), Array.from({ length: 11 }, (_, i) => `1:${i}`).sort());
  });

  it('has another order each epoch, and with another seed', () => {
    const order = (seed: number, epoch: number) =>
      [...new ImageSequence(50, keyOfSeed(seed)).pieces(epoch * 50, 50, 50)][0]!.images.join();
    assert.notEqual(order(1, 0), order(1, 1));
    assert.notEqual(order(1, 0), order(2, 0));
    assert.equal(order(1, 0), order(1, 0));
  });

  it('keeps the source order without a key', () => {
    assert.deepEqual(images(new ImageSequence(3), 2, 3, 9), ['0:2', '1:0', '1:1']);
  });

  it('is the same however it is cut into batches and pieces', () => {
    const counts = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(counts, fc.array(counts, { maxLength: 8 }), counts, (count, lengths, piece) => {
        const total = lengths.reduce((a, b) => a + b, 0);
        const sequence = new ImageSequence(count, keyOfSeed(7));
        let start = 0;
        const cut = lengths.flatMap((length) => {
          const part = images(sequence, start, length, piece);
          start += length;
          return part;
        });
        assert.deepEqual(cut, images(new ImageSequence(count, keyOfSeed(7)), 0, total, total + 1));
      }),
    );
  });

  it('never lets a piece cross the end of an epoch or exceed its length', () => {
    for (const { images } of new ImageSequence(10, keyOfSeed(1)).pieces(3, 30, 4)) {
      assert.ok(images.length <= 4 && images.length > 0);
    }
  });
});
