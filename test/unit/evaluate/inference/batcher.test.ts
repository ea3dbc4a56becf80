import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Shape4 } from '../../../../src/core/shape.ts';
import {
  type BatchItem,
  DeterministicBatcher,
  type DeterministicBatcherOptions,
} from '../../../../src/evaluate/inference/batcher.ts';
import { pluck, range } from '../../../support/lists.ts';

/** An item of one value, or of a given size filled with it. */
function item(value: number, height = 1, width = 1): BatchItem {
  return {
    shape: [1, height, width],
    write: (input, offset) => void input.fill(value, offset, offset + height * width),
  };
}

/** A batcher that doubles its inputs, and the first values and shapes of its batches. */
function doubling(options: Partial<DeterministicBatcherOptions> = {}) {
  const batches: { shape: Shape4; values: number[] }[] = [];
  const queue = new DeterministicBatcher({
    maxSize: () => 4,
    run: async (shape, input) => {
      const size = input.length / shape[0];
      batches.push({ shape, values: Array.from({ length: shape[0] }, (_, i) => input[i * size]!) });
      await sleep(1);
      return input.map((value) => 2 * value);
    },
    ...options,
  });
  return { queue, batches };
}

const first = async (result: Promise<Float32Array>): Promise<number> => (await result)[0]!;

describe('batches', () => {
  it('have one shape, and every input gets its own result', async () => {
    const { queue, batches } = doubling();
    const results = [1, 2, 3, 4, 5, 6, 7, 8].map((value) =>
      first(queue.submit(value % 2 ? item(value) : item(value, 2, 3))),
    );
    assert.deepEqual(await Promise.all(results), [2, 4, 6, 8, 10, 12, 14, 16]);
    assert.deepEqual(batches, [
      { shape: [4, 1, 1, 1], values: [1, 3, 5, 7] },
      { shape: [4, 1, 2, 3], values: [2, 4, 6, 8] },
    ]);
  });

  it('that are not full are computed at a flush, in powers of two', async () => {
    const { queue, batches } = doubling({ maxSize: () => 11 });
    const results = Array.from({ length: 15 }, (_, value) => first(queue.submit(item(value))));
    queue.flush();
    const doubled = range(15).map((value) => 2 * value);
    assert.deepEqual(await Promise.all(results), doubled);
    const sizes = batches.map(({ values }) => values.length);
    assert.deepEqual(sizes, [8, 4, 2, 1]);
  });

  it('wait for a flush forever', async () => {
    const patient = doubling();
    const waiting = patient.queue.submit(item(1));
    await sleep(20);
    assert.equal(patient.batches.length, 0);
    patient.queue.flush();
    assert.equal(await first(waiting), 2);
  });

  it('are written no earlier than needed, and at most two are computed at a time', async () => {
    let [running, most, written] = [0, 0, 0];
    const queue = new DeterministicBatcher({
      maxSize: () => 1,
      run: async (_, input) => {
        most = Math.max(most, ++running);
        await sleep(1);
        assert.ok(written <= 2 + most);
        running--;
        written--;
        return input;
      },
    });
    const writing = (): BatchItem => ({ shape: [1, 1, 1], write: () => void written++ });
    await Promise.all(Array.from({ length: 10 }, () => queue.submit(writing())));
    assert.equal(most, 2);
  });

  it('of fillers only are not computed; others are computed with their fillers', async () => {
    const { queue, batches } = doubling({ maxSize: () => 2 });
    for (const value of [1, 2, 3]) queue.addFiller(item(value));
    assert.equal(await first(queue.submit(item(4))), 8);
    assert.deepEqual(pluck(batches, 'values'), [[3, 4]]);
  });

  it('that fail reject their own inputs only', async () => {
    let runs = 0;
    const queue = new DeterministicBatcher({
      maxSize: () => 2,
      run: async (_, input) => {
        if (runs++ === 0) throw new Error('no luck');
        return input;
      },
    });
    const results = await Promise.allSettled([1, 2, 3, 4].map((value) => queue.submit(item(value))));
    assert.deepEqual(pluck(results, 'status'), ['rejected', 'rejected', 'fulfilled', 'fulfilled']);
  });

  it('are rejected when the batcher is closed: running, waiting and later ones', async () => {
    const { queue, batches } = doubling({ maxSize: () => 1, concurrency: 1 });
    const results = [1, 2, 3].map((value) => queue.submit(item(value)));
    queue.close(new Error('closing time'));
    results.push(queue.submit(item(4)));
    for (const result of results) await assert.rejects(result, /closing time/);
    await sleep(5);
    assert.equal(batches.length, 1);
  });
});
