import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { BatchItem } from '../../../src/evaluate/batcher.ts';
import { DynamicBatcher, type DynamicBatcherOptions } from '../../../src/serve/dynamic-batcher.ts';

function item(value: number, width = 1): BatchItem {
  return { shape: [1, 1, width], write: (input, offset) => void input.fill(value, offset, offset + width) };
}

/** A queue that doubles when it is told to, and the first values of its batches. */
function doubling(options: Partial<DynamicBatcherOptions> = {}) {
  const batches: number[][] = [];
  const finishers: (() => void)[] = [];
  const queue = new DynamicBatcher({
    maxSize: () => 4,
    // Longer than any test: what happens does not happen because time has passed.
    waitMilliseconds: 3_600_000,
    run: (shape, input) =>
      new Promise((resolve) => {
        const size = input.length / shape[0];
        batches.push(Array.from({ length: shape[0] }, (_, i) => input[i * size]!));
        finishers.push(() => resolve(input.map((value) => 2 * value)));
      }),
    ...options,
  });
  const submit = (value: number, signal?: AbortSignal) =>
    queue.submit(item(value), signal).then((result) => result[0]!);
  return {
    queue,
    batches,
    submit,
    /** Lets the batch that has run longest end, and what follows happen. */
    finish: async () => {
      finishers.shift()!();
      await turn();
    },
  };
}

describe('batches of a server', () => {
  it('begin at once where nothing is under way', async () => {
    const { batches, submit, finish } = doubling();
    const result = submit(3);
    await turn();
    assert.deepEqual(batches, [[3]]);
    await finish();
    assert.equal(await result, 6);
  });

  it('are made of what came together, in powers of two', async () => {
    const { batches, submit } = doubling({ maxSize: () => 7 });
    void [1, 2, 3, 4, 5, 6].map((value) => submit(value));
    await turn();
    assert.deepEqual(batches, [[1, 2, 3, 4]]);
  });

  it('grow while another is computed', async () => {
    const { batches, submit, finish } = doubling();
    void submit(1);
    await turn();
    for (const value of [2, 3]) {
      void submit(value);
      await turn();
    }
    assert.deepEqual(batches, [[1]]);
    await finish();
    assert.deepEqual(batches, [[1], [2, 3]]);
  });

  it('are begun beside another when they are full', async () => {
    const { batches, submit } = doubling();
    void submit(1);
    await turn();
    void [2, 3, 4, 5, 6].map((value) => submit(value));
    await turn();
    assert.deepEqual(batches, [[1], [2, 3, 4, 5]]);
  });

  it('are begun beside another when their first has waited long enough', async () => {
    let begun = () => {};
    const second = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let batches = 0;
    const queue = new DynamicBatcher({
      maxSize: () => 4,
      waitMilliseconds: 1,
      run: () => {
        if (++batches === 2) begun();
        return new Promise(() => {});
      },
    });
    void queue.submit(item(1));
    await turn();
    void queue.submit(item(2));
    // The queue's own timer does not keep the process alive.
    const alive = setInterval(() => {}, 1000);
    await second;
    clearInterval(alive);
  });

  it('have inputs of one shape, the longest waiting first', async () => {
    const { queue, batches, submit, finish } = doubling();
    void submit(1);
    await turn();
    void queue.submit(item(2, 3));
    void submit(3);
    void queue.submit(item(4, 3));
    await finish();
    assert.deepEqual(batches, [[1], [2, 4]]);
    await finish();
    assert.deepEqual(batches, [[1], [2, 4], [3]]);
  });

  it('do without those who have left, whose places are free', async () => {
    const { queue, batches, submit, finish } = doubling();
    const controller = new AbortController();
    void submit(1);
    await turn();
    const left = submit(2, controller.signal);
    const stays = submit(3);
    assert.equal(queue.waiting, 2);
    controller.abort(new Error('gone'));
    await assert.rejects(left, /gone/);
    assert.equal(queue.waiting, 1);
    await finish();
    assert.deepEqual(batches, [[1], [3]]);
    await finish();
    assert.equal(await stays, 6);
    await assert.rejects(submit(4, controller.signal), /gone/);
  });

  it('that fail, fail for those in them only', async () => {
    let runs = 0;
    const queue = new DynamicBatcher({
      maxSize: () => 1,
      run: async (_, input) => {
        if (runs++ === 0) throw new Error('no luck');
        return input;
      },
    });
    const results = await Promise.allSettled([queue.submit(item(1)), queue.submit(item(2))]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    );
  });

  it('share memory with none that is under way, and leave nothing of theirs to the next', async () => {
    const { batches, submit, finish } = doubling({ maxSize: () => 2 });
    const results = [1, 2, 3, 4].map((value) => submit(value));
    await turn();
    assert.deepEqual(batches, [
      [1, 2],
      [3, 4],
    ]);
    await finish();
    results.push(submit(5));
    await finish();
    await turn();
    await finish();
    assert.deepEqual(batches[2], [5]);
    assert.deepEqual(await Promise.all(results), [2, 4, 6, 8, 10]);
  });

  it('tell who makes inputs ready when there is use for more', async () => {
    const { queue, submit, finish } = doubling({ maxSize: () => 2 });
    const told = () => {
      let untilReady = false;
      void queue.untilReady().then(() => {
        untilReady = true;
      });
      return async () => {
        await turn();
        return untilReady;
      };
    };
    assert.equal(await told()(), true);
    const results = [1, 2, 3, 4, 5, 6].map((value) => submit(value));
    await turn();
    // Two batches are under way and one waits.
    const answer = told();
    assert.equal(await answer(), false);
    await finish();
    assert.equal(await answer(), true);

    results.push(submit(7), submit(8));
    await turn();
    assert.equal(await told()(), false);
    queue.close(new Error('closing time'));
    await Promise.allSettled(results);
    assert.equal(await told()(), true);
  });

  it('have use for more when somebody leaves a full one', async () => {
    const { queue, submit } = doubling({ maxSize: () => 2 });
    const controller = new AbortController();
    const results = [1, 2, 3, 4, 5].map((value) => submit(value));
    results.push(submit(6, controller.signal));
    await turn();
    const untilReady = queue.untilReady();
    controller.abort(new Error('gone'));
    await untilReady;
    await assert.rejects(results[5]!, /gone/);
    queue.close(new Error('closing time'));
    await Promise.allSettled(results);
  });

  it('fail when the queue is closed: those that run, wait, or come later', async () => {
    const { queue, submit } = doubling({ maxSize: () => 1 });
    const results = [1, 2, 3].map((value) => submit(value));
    await turn();
    queue.close(new Error('closing time'));
    results.push(submit(4));
    for (const result of results) await assert.rejects(result, /closing time/);
  });
});
