import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeImage } from '../../../../src/data/pixels/decode.ts';
import { DecodedCache, keepDecoded } from '../../../../src/data/pixels/decoded-images.ts';
import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { jpeg, pattern, sourceOf } from '../../../support/images.ts';

async function counted(): Promise<{ source: ImageSource; reads: number[]; files: Buffer[] }> {
  const files = [await jpeg(40, 30, 1), await jpeg(35, 50, 2)];
  const reads: number[] = [];
  const source = sourceOf(2, (index) => {
    reads.push(index);
    return { kind: 'encoded', bytes: files[index]! };
  });
  return { source, reads, files };
}

describe('a source that keeps decoded images', () => {
  it('reads each file once and returns its pixels', async () => {
    const { source, reads, files } = await counted();
    const kept = keepDecoded(source, 2 ** 20);
    for (const index of [0, 1, 1, 0]) {
      const stored = await kept.read(index);
      assert.ok(stored.kind === 'pixels');
      assert.deepEqual(stored.image, await decodeImage(files[index]!, 'x'));
    }
    assert.deepEqual(reads, [0, 1]);
    assert.deepEqual([kept.length, kept.label(1), kept.imageName(1)], [2, 1, 'image-1']);
    assert.equal(await kept.fingerprint(), await source.fingerprint());
  });

  it('returns the files themselves once its memory is full', async () => {
    const { source, reads } = await counted();
    const kept = keepDecoded(source, 4000);
    await kept.read(0);
    await kept.read(1);
    assert.equal((await kept.read(0)).kind, 'pixels');
    assert.equal((await kept.read(1)).kind, 'encoded');
    assert.deepEqual(reads, [0, 1, 1]);
  });
});

describe('DecodedCache', () => {
  it('keeps what fits', () => {
    const cache = new DecodedCache(10, 3 * (300 + 300));
    for (let i = 0; i < 5; i++) cache.add(i, pattern(10, 10, i));
    const kept = [0, 1, 2, 3].filter((i) => cache.get(i) !== undefined);
    assert.deepEqual(kept, [0, 1, 2]);
    assert.deepEqual(cache.get(1), pattern(10, 10, 1));
    assert.equal(cache.open, false);
  });

  it('drops everything when only a small part of a large set would fit', () => {
    const cache = new DecodedCache(1_000_000, 300 * 600);
    for (let i = 0; i < 256; i++) cache.add(i, pattern(10, 10));
    assert.equal(cache.get(0), undefined);
    assert.equal(cache.open, false);
  });
});
