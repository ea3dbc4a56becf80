import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { killAtRandom } from './killing.ts';
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
    const reached: number[] = [];
    const kills = await killAtRandom(
      {
        start: (again) =>
          work.start('train', ...(again ? ['--resume'] : [work.path('photos'), ...LONG]), '--out', run),
        atWork: (child) => waitForRun(run, child),
        ended: async () => {
          reached.push((await readCheckpoint(`${run}/last.safetensors`))?.state.iteration ?? 0);
        },
        forget: () => rm(run, { recursive: true }),
      },
      6,
      1500,
    );
    t.diagnostic(`killed ${kills} times, with checkpoints of iterations ${reached.join(', ')}`);
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

  it('stopped by Ctrl-C, saves, exits with 130, and continues', async () => {
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
      /stopped after iteration \d+, which is saved; continue with: vgg train --out .* --resume/,
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

  it('is not resumed with other results', async () => {
    const changed = await work.vgg('train', '--out', work.path('whole'), '--resume', '--lr', '0.1');
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /started with lr 0.01, and lr 0.1 would change its results/);
    const elsewhere = await work.vgg('train', '--out', work.path('nowhere'), '--resume');
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /nowhere is not a run folder \(no recipe\.yaml\)/);
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

  it("resumes and reads a run recorded under the backend's former name", async () => {
    const recipeFile = work.path('whole/recipe.yaml');
    const recipe = await readFile(recipeFile, 'utf8');
    assert.match(recipe, /^backend: native$/m);
    await writeFile(recipeFile, recipe.replace('backend: native', 'backend: onednn'));
    // So does the model file record its recipe, in bytes of the same length.
    const last = await readFile(work.path('whole/last.safetensors'), 'latin1');
    assert.ok(last.includes('backend: native'));
    const former = last.replace('backend: native', 'backend: onednn');
    await writeFile(work.path('whole/last.safetensors'), former, 'latin1');
    const inspected = await work.vgg('inspect', work.path('whole/last.safetensors'));
    assert.equal(inspected.code, 0, inspected.stderr);
    const more = await work.vgg('train', '--out', work.path('whole'), '--resume', '--iterations', '64');
    assert.equal(more.code, 0, more.stderr);
    assert.match(more.stderr, /The backend "onednn" is now called "native"\. The old name still works\.\n/);
    assert.equal((await readCheckpoint(work.path('whole/last.safetensors')))!.state.iteration, 64);
  });
});

/** Waits until this process has taken the run, or has ended. */
async function waitForRun(run: string, child: ChildProcess): Promise<void> {
  const lock = () => readFile(`${run}/.lock`, 'utf8').catch(() => '');
  while (child.exitCode === null && !(await lock()).startsWith(`{"pid":${child.pid},`)) await sleep(10);
}

async function waitForMetrics(run: string): Promise<void> {
  for (;;) {
    const text = await readFile(`${run}/metrics.jsonl`, 'utf8').catch(() => '');
    if (text.split('\n').length > 4) return;
    await sleep(20);
  }
}
