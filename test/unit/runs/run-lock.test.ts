import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readRunDescription, runFolder } from '../../../src/runs/run-folder.ts';
import { isBeingTrained, lockRun } from '../../../src/runs/run-lock.ts';
import { RunRecord } from '../../../src/runs/run-record.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { temporaryFolder } from '../../support/images.ts';

const worker = fileURLToPath(new URL('./run-lock-worker.js', import.meta.url));
const deadProcess = (): number => spawnSync('true').pid;
const minutes = 60_000;

/** A run with this lock, written some time ago. */
async function lockedRun(t: TestContext, lock: unknown, age = 0) {
  const folder = runFolder(await temporaryFolder(t));
  const file = join(folder.path, '.lock');
  await writeFile(file, typeof lock === 'string' ? lock : JSON.stringify(lock));
  const time = new Date(Date.now() - age);
  await utimes(file, time, time);
  return { folder, file };
}

describe('the lock of a run', () => {
  it('goes to exactly one of two processes that take it at the same time', async (t) => {
    const folder = await temporaryFolder(t);
    const processes = [fork(worker), fork(worker)];
    t.after(() => processes.map((one) => one.kill()));
    const take = async (one: ChildProcess, path: string, at: number) => {
      one.send({ path, at });
      return String((await once(one, 'message'))[0]);
    };
    const stale = JSON.stringify({ pid: deadProcess(), host: hostname(), started: '1' });
    for (let round = 0; round < 100; round++) {
      const path = join(folder, String(round));
      await mkdir(path);
      // In every second round a dead process has left its lock.
      if (round % 2 > 0) await writeFile(join(path, '.lock'), stale);
      const at = Date.now() + 5;
      const answers = await Promise.all(processes.map((one) => take(one, path, at)));
      const refused = answers.filter((answer) => answer !== 'taken');
      assert.equal(refused.length, 1, `round ${round}: ${answers.join(' / ')}`);
      assert.match(refused[0]!, /is being trained by (process \d+|another process); wait for it or stop it/);
    }
  });

  it('lets one of two callers start a new run, and leaves its recipe alone', async (t) => {
    const path = join(await temporaryFolder(t), 'new');
    const start = (seed: number) =>
      RunRecord.start(path, { data: '/photos', recipe: resolveRecipe({ seed }) });
    const [one, other] = await Promise.allSettled([start(1), start(2)]);
    const [started, refused] = one.status === 'fulfilled' ? [one, other] : [other, one];
    assert.ok(started.status === 'fulfilled' && refused.status === 'rejected');
    assert.match(String(refused.reason), /is being trained by|exists; continue it with --resume/);
    assert.equal((await readRunDescription(path)).recipe.seed, started === one ? 1 : 2);
    await started.value.close();
    await assert.rejects(start(3), /exists; continue it with --resume, or choose another folder with --out/);
  });

  it('is released, and not released twice', async (t) => {
    const folder = runFolder(await temporaryFolder(t));
    const unlock = await lockRun(folder);
    assert.ok(await isBeingTrained(folder));
    await assert.rejects(lockRun(folder), new RegExp(`is being trained by process ${process.pid};`));
    await unlock();
    assert.ok(!(await isBeingTrained(folder)));
    const other = await lockedRun(t, { pid: process.pid, host: 'elsewhere', started: '1' });
    await (await lockRun(folder))();
    assert.ok(existsSync(other.file));
  });

  it('is taken over from a process that is gone', async (t) => {
    const here = hostname();
    for (const [lock, age] of [
      [{ pid: deadProcess(), host: here, started: '1' }, 0],
      [deadProcess(), 0],
      // Another process has the number now.
      [{ pid: process.pid, host: here, started: '1' }, 0],
      [{ pid: process.pid, host: here, started: '' }, 3 * minutes],
      [{ pid: process.pid, host: 'elsewhere', started: '1' }, 3 * minutes],
      // It died while it wrote the file.
      ['', minutes],
    ] as const) {
      const { folder, file } = await lockedRun(t, lock, age);
      assert.ok(!(await isBeingTrained(folder)), JSON.stringify(lock));
      const unlock = await lockRun(folder);
      assert.equal(JSON.parse(await readFile(file, 'utf8')).pid, process.pid);
      await unlock();
    }
  });

  it('is not taken from a process that runs, or may run', async (t) => {
    for (const [lock, age, holder] of [
      [process.ppid, 60 * minutes, `process ${process.ppid}`],
      [{ pid: process.ppid, host: hostname(), started: '' }, minutes, `process ${process.ppid}`],
      [{ pid: 1, host: 'node7', started: '1' }, minutes, 'process 1 on node7'],
      ['', 0, 'another process'],
    ] as const) {
      const { folder, file } = await lockedRun(t, lock, age);
      await assert.rejects(lockRun(folder), {
        message: `the run ${folder.path} is being trained by ${holder}; wait for it or stop it (if that process is not a training run, delete ${file})`,
      });
    }
  });
});
