import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { QUICK, tensorsOf, Workplace } from './training-runs.ts';

const ITERATIONS = 60;
const LONG = [
  ...QUICK,
  [
    '--iterations',
    String(ITERATIONS),
    '--checkpoint-every',
    '2',
    '--lr-drop-at',
    '45',
    '--average-from',
    '10',
  ],
].flat();

describe('a run that is stopped', () => {
  const work = new Workplace();

  async function metrics(run: string): Promise<unknown[]> {
    const lines = (await readFile(`${run}/metrics.jsonl`, 'utf8')).trim().split('\n');
    return lines.map((line) => {
      const { seconds: _, imagesPerSecond: __, ...facts } = JSON.parse(line);
      return facts;
    });
  }

  it('whole, for comparison', async () => {
    const { code, stderr } = await work.vgg(
      'train',
      work.path('photos'),
      '--out',
      work.path('whole'),
      ...LONG,
    );
    assert.equal(code, 0, stderr);
  });

  it('killed at random moments, ends with the same weights, bit for bit, and the same metrics', async (t) => {
    const run = work.path('killed');
    let kills = 0;
    const reached: number[] = [];
    for (let attempt = 0; ; attempt++) {
      const args = attempt === 0 ? [work.path('photos'), '--out', run, ...LONG] : ['--out', run, '--resume'];
      const child = work.start('train', ...args);
      const ended = once(child, 'exit');
      if (attempt < 6) {
        const running = await Promise.race([
          ended.then(() => false),
          waitForRun(run, child, Math.random() * 1500),
        ]);
        if (running) kills += Number(child.kill('SIGKILL'));
      }
      const [code] = await ended;
      reached.push((await readCheckpoint(`${run}/last.safetensors`))?.state.iteration ?? 0);
      if (code === 0) break;
      assert.equal(code, null, 'ended by itself with an error');
    }
    t.diagnostic(`killed ${kills} times, with checkpoints of iterations ${reached.join(', ')}`);
    assert.ok(kills > 0, 'it was never killed');
    assert.deepEqual(
      await tensorsOf(`${run}/last.safetensors`),
      await tensorsOf(work.path('whole/last.safetensors')),
    );
    assert.deepEqual(
      await tensorsOf(`${run}/best.safetensors`),
      await tensorsOf(work.path('whole/best.safetensors')),
    );
    assert.deepEqual(await metrics(run), await metrics(work.path('whole')));
  });

  it('stopped by Ctrl-C, saves and exits with 130, and goes on', async () => {
    const run = work.path('stopped');
    const child = work.start('train', work.path('photos'), '--out', run, ...LONG);
    let stderr = '';
    child.stderr!.on('data', (text) => {
      stderr += text;
    });
    await waitForMetrics(run);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130, stderr);
    assert.match(
      stderr,
      /stopped after iteration \d+, which is saved; go on with: vgg train --out .* --resume/,
    );
    const stoppedAt = Number(/iteration (\d+), which/.exec(stderr)![1]);
    assert.equal((await readCheckpoint(`${run}/last.safetensors`))!.state.iteration, stoppedAt);
    const resumed = await work.vgg('train', '--out', run, '--resume');
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.deepEqual(
      await tensorsOf(`${run}/last.safetensors`),
      await tensorsOf(work.path('whole/last.safetensors')),
    );
  });

  it('is not resumed as another training', async () => {
    const changed = await work.vgg('train', '--out', work.path('whole'), '--resume', '--lr', '0.1');
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /started with lr 0.01, and resuming it with 0.1 would be another training/);
    const elsewhere = await work.vgg('train', '--out', work.path('nowhere'), '--resume');
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /nowhere is no run/);
  });

  it('can be given more iterations', async () => {
    const more = await work.vgg(
      'train',
      '--out',
      work.path('whole'),
      '--resume',
      '--iterations',
      '62',
      '--json',
    );
    assert.equal(more.code, 0, more.stderr);
    assert.equal(JSON.parse(more.stdout).iterations, 62);
  });
});

/** Waits until this process has taken the run, and then some. */
async function waitForRun(run: string, { pid }: ChildProcess, milliseconds: number): Promise<boolean> {
  while ((await readFile(`${run}/.lock`, 'utf8').catch(() => '')) !== String(pid)) await sleep(10);
  await sleep(milliseconds);
  return true;
}

async function waitForMetrics(run: string): Promise<void> {
  for (;;) {
    const text = await readFile(`${run}/metrics.jsonl`, 'utf8').catch(() => '');
    if (text.split('\n').length > 4) return;
    await sleep(20);
  }
}
