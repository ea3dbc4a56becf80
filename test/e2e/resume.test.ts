import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { killAtRandom } from './killing.ts';
import { QUICK, tensorsOf, Workplace, words } from './training-runs.ts';

const LONG = words`${QUICK} --iterations 60 --checkpoint-every 2 --lr-drop-at 45 --average-from 10`;

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
    await work.ok`train ${work.path('photos')} --out ${work.path('whole')} ${LONG}`;
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
    for (const file of ['last.safetensors', 'best.safetensors']) {
      assert.deepEqual(await tensorsOf(`${run}/${file}`), await tensorsOf(work.path('whole', file)));
    }
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
    const message =
      /stopped after iteration (\d+), which is saved; continue with: vgg train --out .* --resume/;
    const stoppedAt = Number(message.exec(stderr)?.[1]);
    assert.equal((await readCheckpoint(`${run}/last.safetensors`))!.state.iteration, stoppedAt);
    await work.ok`train --out ${run} --resume`;
    assert.deepEqual(
      await tensorsOf(`${run}/last.safetensors`),
      await tensorsOf(work.path('whole/last.safetensors')),
    );
  });

  it('is not resumed with other results', async () => {
    const message = /started with lr 0.01, and lr 0.1 would change its results/;
    await work.fails(1, message)`train --out ${work.path('whole')} --resume --lr 0.1`;
    const missing = /nowhere is not a run folder \(no recipe\.yaml\)/;
    await work.fails(1, missing)`train --out ${work.path('nowhere')} --resume`;
  });

  it('can be given more iterations', async () => {
    const { stdout } = await work.ok`train --out ${work.path('whole')} --resume --iterations 62 --json`;
    assert.equal(JSON.parse(stdout).iterations, 62);
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
    await work.ok`inspect ${work.path('whole/last.safetensors')}`;
    const { stderr } = await work.ok`train --out ${work.path('whole')} --resume --iterations 64`;
    assert.match(stderr, /The backend "onednn" is now called "native"\. The old name still works\.\n/);
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
