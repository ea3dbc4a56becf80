import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mapConcurrently, prefetch } from '../../../src/core/concurrency.ts';

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

  it('starts nothing after a failure, and ends when all work has ended', async () => {
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
  it('processes one item after the other when `ahead` is 0', async () => {
    const events: string[] = [];
    for await (const item of prefetch([1, 2], 0, async (item) => {
      events.push(`start ${item}`);
      return item;
    })) {
      events.push(`use ${item}`);
    }
    assert.deepEqual(events, ['start 1', 'use 1', 'start 2', 'use 2']);
  });

  it('throws a failure when its item is due, not before', async () => {
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
