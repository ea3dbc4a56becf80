import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { ProgressBar, withoutBar, withProgress } from '../../../src/cli/progress.ts';

/** A stream that keeps what is written, and may pass for a terminal. */
function fakeStream(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return {
    stream: Object.assign(stream, { isTTY, columns: 100 }) as unknown as NodeJS.WriteStream,
    written: () => text,
  };
}

describe('progress', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    mock.method(performance, 'now', () => now);
  });
  afterEach(() => mock.restoreAll());

  test('shows nothing in the first two seconds, then the progress and the time left', () => {
    const { stream, written } = fakeStream(true);
    const bar = new ProgressBar('training', 100, { stream });
    now = 1000;
    bar.update(10, 'loss 2.31');
    assert.equal(written(), '');
    now = 3000;
    bar.update(25, 'loss 2.30');
    bar.stop();
    assert.match(written(), /training █{6}░{18} 25 % · 0:09 left · loss 2\.30/);
  });

  test('counts the time left from where the work continues', () => {
    const { stream, written } = fakeStream(true);
    const bar = new ProgressBar('training', 100, { stream, done: 50 });
    now = 10_000;
    bar.update(60);
    bar.stop();
    assert.match(written(), /60 % · 0:40 left/);
  });

  test('shows nothing without a terminal', async () => {
    const { stream, written } = fakeStream(false);
    const result = await withProgress(
      'work',
      2,
      async (tick) => {
        now = 5000;
        tick();
        tick(1, 'note');
        return 'done';
      },
      { stream },
    );
    assert.equal(result, 'done');
    assert.equal(written(), '');
  });

  test('makes way for other lines, and disappears when the work fails', async () => {
    const { stream, written } = fakeStream(true);
    const work = withProgress(
      'work',
      10,
      async (tick) => {
        now = 5000;
        tick(5);
        withoutBar(() => stream.write('a line\n'));
        tick(1);
        throw new Error('no');
      },
      { stream },
    );
    await assert.rejects(work, /no/);
    // The line starts on a cleared one, and at the end nothing of the bar is left.
    const erase = '\u001b[2K';
    assert.ok(written().includes(`${erase}a line\n`), JSON.stringify(written()));
    assert.ok(written().endsWith(erase), JSON.stringify(written()));
  });
});
