import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { failed, jsonOf, succeeded, textOf, words } from './cli-process.ts';
import { killAtRandom } from './killing.ts';
import { assertSameTensors, linesOf, QUICK, Workplace } from './training-runs.ts';

const LONG = words`${QUICK} --iterations 60 --checkpoint-every 2 --lr-drop-at 45 --average-from 10`;

describe('a run that is stopped', () => {
  const work = new Workplace();
  const [photos, whole] = [work.path('photos'), work.path('whole')];

  async function metrics(run: string): Promise<unknown[]> {
    const lines = await linesOf(`${run}/metrics.jsonl`);
    return lines.map(({ seconds: _, imagesPerSecond: __, ...facts }) => facts);
  }

  it('whole, for comparison', async () => {
    await succeeded(work.vgg`train ${photos} --out ${whole} ${LONG}`);
  });

  it('killed at random moments, ends with the same weights, bit for bit, and the same metrics', async (t) => {
    const run = work.path('killed');
    const reached: number[] = [];
    const kills = await killAtRandom(
      {
        // Killed between its lock and its recipe, a run has not begun: the same command starts it.
        start: () => {
          const begun = existsSync(`${run}/recipe.yaml`);
          return work.start`train ${begun ? '--resume' : [photos, ...LONG]} --out ${run}`;
        },
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
    await assertSameTensors(`${run}/last.safetensors`, `${whole}/last.safetensors`);
    await assertSameTensors(`${run}/best.safetensors`, `${whole}/best.safetensors`);
    assert.deepEqual(await metrics(run), await metrics(whole));
  });

  it('stopped by Ctrl-C, saves, exits with 130, and continues', async () => {
    const run = work.path('stopped');
    const child = work.start`train ${photos} --out ${run} ${LONG}`;
    const stderr = textOf(child, 'stderr');
    await waitForMetrics(run);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130, stderr());
    const message =
      /stopped after iteration (\d+), which is saved; continue with: vgg train --out .* --resume/;
    assert.match(stderr(), message);
    const stoppedAt = Number(message.exec(stderr())![1]);
    assert.equal((await readCheckpoint(`${run}/last.safetensors`))!.state.iteration, stoppedAt);
    await succeeded(work.vgg`train --out ${run} --resume`);
    await assertSameTensors(`${run}/last.safetensors`, `${whole}/last.safetensors`);
  });

  it('is not resumed with other results', async () => {
    const changed = work.vgg`train --out ${whole} --resume --lr 0.1`;
    await failed(changed, 1, /started with lr 0.0022, and lr 0.1 would change its results/);
    const elsewhere = work.vgg`train --out ${work.path('nowhere')} --resume`;
    await failed(elsewhere, 1, /nowhere is not a run folder \(no recipe\.yaml\)/);
  });

  it('can be given more iterations', async () => {
    const { iterations } = await jsonOf(work.vgg`train --out ${whole} --resume --iterations 62 --json`);
    assert.equal(iterations, 62);
  });

  it("resumes and reads a run recorded under the backend's former name", async () => {
    const [recipeFile, model] = [`${whole}/recipe.yaml`, `${whole}/last.safetensors`];
    const recipe = await readFile(recipeFile, 'utf8');
    assert.match(recipe, /^backend: native$/m);
    await writeFile(recipeFile, recipe.replace('backend: native', 'backend: onednn'));
    // So does the model file record its recipe, in bytes of the same length.
    const last = await readFile(model, 'latin1');
    assert.ok(last.includes('backend: native'));
    await writeFile(model, last.replace('backend: native', 'backend: onednn'), 'latin1');
    await succeeded(work.vgg`inspect ${model}`);
    const more = await succeeded(work.vgg`train --out ${whole} --resume --iterations 64`);
    assert.match(more.stderr, /The backend "onednn" is now called "native"\. The old name still works\.\n/);
    assert.equal((await readCheckpoint(model))!.state.iteration, 64);
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
