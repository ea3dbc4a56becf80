import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readMetrics, truncateMetrics, validationsOf } from '../../../src/runs/metrics-file.ts';
import { temporaryFolder } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { line } from '../serve/small-server.ts';

describe('metrics.jsonl', () => {
  it('is read without its torn lines; a missing file has none', async (t) => {
    const file = join(await temporaryFolder(t), 'metrics.jsonl');
    assert.deepEqual(await readMetrics(file), []);
    await truncateMetrics(file, 10);
    await writeFile(file, `${line(1)}{"kind":"tr\n${line(3)}`);
    assert.deepEqual(pluck(await readMetrics(file), 'iteration'), [1, 3]);
  });

  it('has the first of the lowest validation errors as its best', async (t) => {
    const file = join(await temporaryFolder(t), 'metrics.jsonl');
    const errors = [0.5, 0.25, 0.25, 0.75];
    await writeFile(file, line(1) + errors.map((error, i) => line(i + 2, 'validation', error)).join(''));
    const { all, best, last } = validationsOf(await readMetrics(file));
    assert.deepEqual([all.length, best?.iteration, last?.iteration], [4, 3, 5]);
    assert.deepEqual(validationsOf([]), { all: [], best: undefined, last: undefined });
  });

  it('is cut after a checkpoint, and before a torn end', async (t) => {
    const file = join(await temporaryFolder(t), 'metrics.jsonl');
    for (const torn of ['', line(3), '{"iteration":2', line(2).trimEnd()]) {
      await writeFile(file, line(1) + line(2) + torn);
      await truncateMetrics(file, 2);
      assert.equal(await readFile(file, 'utf8'), line(1) + line(2));
    }
  });
});
