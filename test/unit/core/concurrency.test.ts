import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultCacheFolder } from '../../../src/core/cache.ts';
import { mapConcurrently, prefetch } from '../../../src/core/concurrency.ts';
import { DecodedCache } from '../../../src/data/pixels/decoded-images.ts';
import { FileList } from '../../../src/data/sources/file-list.ts';
import { pattern } from '../../support/images.ts';

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('mapConcurrently', () => {
  it('keeps the order and the limit', async () => {
    let [now, most] = [0, 0];
    const results = await mapConcurrently([5, 1, 4, 2, 3], 2, async (item) => {
      most = Math.max(most, ++now);
      await pause(item);
      now--;
      return item * 10;
    });
    assert.deepEqual(results, [50, 10, 40, 20, 30]);
    assert.equal(most, 2);
  });

  it('starts nothing after a failure and ends when all has ended', async () => {
    const started: number[] = [];
    let now = 0;
    const failing = mapConcurrently([0, 1, 2, 3, 4], 2, async (item) => {
      started.push(item);
      now++;
      await pause(5);
      now--;
      if (item === 0) throw new Error('first');
    });
    await assert.rejects(failing, /first/);
    assert.equal(now, 0);
    assert.ok(started.length <= 3);
  });
});

describe('prefetch', () => {
  it('does one after the other when told to', async () => {
    const events: string[] = [];
    for await (const item of prefetch([1, 2], 0, async (item) => {
      events.push(`start ${item}`);
      return item;
    })) {
      events.push(`use ${item}`);
    }
    assert.deepEqual(events, ['start 1', 'use 1', 'start 2', 'use 2']);
  });

  it('fails where the item is, and not before', async () => {
    const results: number[] = [];
    const failing = (async () => {
      for await (const item of prefetch([1, 2, 3], 5, async (item) => {
        if (item === 2) throw new Error('two');
        return item;
      })) {
        await pause(2);
        results.push(item);
      }
    })();
    await assert.rejects(failing, /two/);
    assert.deepEqual(results, [1]);
  });
});

describe('FileList', () => {
  it('gives back names of any characters, many of them', () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `klasse-ä/${'長'.repeat(i % 7)}${i}.jpg`);
    const list = FileList.of(
      names,
      names.map((_, i) => (i % 1000) - 1),
    );
    assert.equal(list.length, names.length);
    names.forEach((name, i) => {
      assert.equal(list.name(i), name);
      assert.equal(list.labels[i], (i % 1000) - 1);
    });
    assert.throws(() => list.name(names.length), RangeError);
    assert.throws(() => list.name(-1), RangeError);
  });
});

describe('DecodedCache', () => {
  it('keeps what fits', () => {
    const cache = new DecodedCache(10, 3 * (300 + 300));
    for (let i = 0; i < 5; i++) cache.add(i, pattern(10, 10, i));
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => cache.get(i) !== undefined),
      [true, true, true, false],
    );
    assert.deepEqual(cache.get(1), pattern(10, 10, 1));
    assert.equal(cache.open, false);
  });

  it('lets go of a small part of a large set', () => {
    const cache = new DecodedCache(1_000_000, 300 * 600);
    for (let i = 0; i < 256; i++) cache.add(i, pattern(10, 10));
    assert.equal(cache.get(0), undefined);
    assert.equal(cache.open, false);
  });
});

describe('defaultCacheFolder', () => {
  it('follows XDG_CACHE_HOME when that is absolute', (t) => {
    const before = process.env.XDG_CACHE_HOME;
    t.after(() => {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    });
    process.env.XDG_CACHE_HOME = '/somewhere';
    assert.equal(defaultCacheFolder(), '/somewhere/verydeep');
    process.env.XDG_CACHE_HOME = 'relative';
    assert.match(defaultCacheFolder(), /(?:\.cache|Library\/Caches)\/verydeep$/);
  });
});
