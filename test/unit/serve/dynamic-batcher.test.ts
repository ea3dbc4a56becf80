import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { BatchItem } from '../../../src/evaluate/inference/batcher.ts';
import { DynamicBatcher, type DynamicBatcherOptions } from '../../../src/serve/dynamic-batcher.ts';
import { pluck } from '../../support/lists.ts';

function item(value: number, width = 1): BatchItem {
  return { shape: [1, 1, width], write: (input, offset) => void input.fill(value, offset, offset + width) };
}

/** A batcher that doubles on command, and the first values of its batches. */
function doubling(options: Partial<DynamicBatcherOptions> = {}) {
  const batches: number[][] = [];
  const finishers: (() => void)[] = [];
  const queue = new DynamicBatcher({
    maxSize: () => 4,
    // Longer than any test, so that nothing happens because of the time.
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
    /** Finishes the oldest running batch, and lets its consequences happen. */
    finish: async () => {
      finishers.shift()!();
      await turn();
    },
  };
}

describe('dynamic batches', () => {
  it('start immediately when the batcher is idle', async () => {
    const { batches, submit, finish } = doubling();
    const result = submit(3);
    await turn();
    assert.deepEqual(batches, [[3]]);
    await finish();
    assert.equal(await result, 6);
  });

  it('contain what arrived together, in powers of two', async () => {
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

  it('start beside another when they are full', async () => {
    const { batches, submit } = doubling();
    void submit(1);
    await turn();
    void [2, 3, 4, 5, 6].map((value) => submit(value));
    await turn();
    assert.deepEqual(batches, [[1], [2, 3, 4, 5]]);
  });

  it('start beside another when their oldest input has waited long enough', async () => {
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

  it('have inputs of one shape, the oldest first', async () => {
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

  it('leave out aborted inputs', async () => {
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

  it('that fail reject their own inputs only', async () => {
    let runs = 0;
    const queue = new DynamicBatcher({
      maxSize: () => 1,
      run: async (_, input) => {
        if (runs++ === 0) throw new Error('no luck');
        return input;
      },
    });
    const results = await Promise.allSettled([queue.submit(item(1)), queue.submit(item(2))]);
    assert.deepEqual(pluck(results, 'status'), ['rejected', 'fulfilled']);
  });

  it('reuse memory of finished batches only, and leave nothing of theirs to the next', async () => {
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

  it('apply backpressure while a full batch waits', async () => {
    const { queue, submit, finish } = doubling({ maxSize: () => 2 });
    const readiness = () => {
      let ready = false;
      void queue.untilReady().then(() => {
        ready = true;
      });
      return async () => {
        await turn();
        return ready;
      };
    };
    assert.equal(await readiness()(), true);
    const results = [1, 2, 3, 4, 5, 6].map((value) => submit(value));
    await turn();
    // Two batches are running and one waits.
    const answer = readiness();
    assert.equal(await answer(), false);
    await finish();
    assert.equal(await answer(), true);

    results.push(submit(7), submit(8));
    await turn();
    assert.equal(await readiness()(), false);
    queue.close(new Error('closing time'));
    await Promise.allSettled(results);
    assert.equal(await readiness()(), true);
  });

  it('end backpressure when an input of a full batch is aborted', async () => {
    const { queue, submit } = doubling({ maxSize: () => 2 });
    const controller = new AbortController();
    const results = [1, 2, 3, 4, 5].map((value) => submit(value));
    results.push(submit(6, controller.signal));
    await turn();
    const ready = queue.untilReady();
    controller.abort(new Error('gone'));
    await ready;
    await assert.rejects(results[5]!, /gone/);
    queue.close(new Error('closing time'));
    await Promise.allSettled(results);
  });

  it('are rejected when the batcher is closed: running, waiting and later ones', async () => {
    const { queue, submit } = doubling({ maxSize: () => 1 });
    const results = [1, 2, 3].map((value) => submit(value));
    await turn();
    queue.close(new Error('closing time'));
    results.push(submit(4));
    for (const result of results) await assert.rejects(result, /closing time/);
  });
});
