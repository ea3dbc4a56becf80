/** Runs that continue although their data or disk changed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { failed, mainFile, outcomeOf, succeeded, words } from './cli-process.ts';
import { assertSameTensors, QUICK, Workplace } from './training-runs.ts';

const FLAGS = words`${QUICK} --lr-drop-at 9e`;

describe('a run whose data set was moved or changed', () => {
  const work = new Workplace();
  const [photos, run] = [work.path('photos'), work.path('run')];

  it('continues in the new place, also without the times of the files', async () => {
    await succeeded(work.vgg`train ${photos} --out ${work.path('whole')} ${FLAGS} --epochs 2`);
    await succeeded(work.vgg`train ${photos} --out ${run} ${FLAGS} --epochs 1`);
    await cp(photos, work.path('copy'), { recursive: true });
    await rename(photos, work.path('away'));
    await failed(
      work.vgg`train --out ${run} --resume`,
      1,
      /photos does not exist; if it was moved, give its new path: vgg train PATH/,
    );
    const again = work.vgg`train ${work.path('copy')} --out ${run} --resume --epochs 2`;
    assert.match((await succeeded(again)).stderr, /continuing after iteration 2/);
    await assertSameTensors(`${run}/last.safetensors`, `${work.path('whole')}/last.safetensors`);
    assert.match(await readFile(`${run}/recipe.yaml`, 'utf8'), /^data: .*\/copy$/m);
    await rename(work.path('away'), photos);
  });

  it('goes on without missing images with --skip-bad, the same each time', async () => {
    const copy = work.path('fewer');
    await cp(photos, copy, { recursive: true });
    await rm(`${copy}/train/owl/1.png`);
    const runs = ['once', 'twice'].map((name) => work.path(name));
    for (const out of runs) await cp(run, out, { recursive: true });
    const resume = (out: string, epochs: number) =>
      succeeded(work.vgg`train ${copy} --out ${out} --resume --skip-bad --epochs ${epochs}`);
    const { stderr } = await resume(runs[0]!, 5);
    assert.match(stderr, /train\/owl\/1\.png is missing; it is left out from now on/);
    await resume(runs[1]!, 3);
    await resume(runs[1]!, 5);
    await assertSameTensors(`${runs[0]}/last.safetensors`, `${runs[1]}/last.safetensors`);
    assert.deepEqual((await readCheckpoint(`${runs[0]}/last.safetensors`))!.state.lost.length, 1);
    const { validation, bad } = JSON.parse(await readFile(`${runs[0]}/result.json`, 'utf8'));
    assert.deepEqual(bad, [`${copy}/train/owl/1.png became unreadable during the training`]);
    await rm(`${copy}/val/owl`, { recursive: true });
    const again = await succeeded(work.vgg`train ${copy} --out ${runs[0]!} --resume --skip-bad --epochs 6`);
    assert.match(
      again.stdout,
      new RegExp(`center crops of ${(validation.images * 2) / 3} validation images`),
    );
  });

  it('of an older version, without a record, is compared by its file times', async () => {
    const old = work.path('old');
    await cp(work.path('whole'), old, { recursive: true });
    await rm(`${old}/data.json.gz`);
    await succeeded(work.vgg`train ${photos} --out ${old} --resume --epochs 3`);
    await utimes(`${photos}/train/cat/0.jpg`, 1, 1);
    await failed(
      work.vgg`train ${photos} --out ${old} --resume --epochs 4`,
      1,
      /have changed since the run was started/,
    );
    await writeFile(`${run}/data.json.gz`, 'text');
    await failed(work.vgg`train --out ${run} --resume`, 1, /data\.json\.gz is damaged/);
  });
});

describe('a run whose disk becomes full', () => {
  const work = new Workplace();

  it('keeps its last checkpoint, names it and continues later', async (t) => {
    if (process.platform === 'win32') return t.skip('Windows has no ulimit');
    const [photos, run] = [work.path('photos'), work.path('run')];
    await succeeded(work.vgg`train ${photos} --out ${run} ${FLAGS} --epochs 1`);
    // In blocks of 512 bytes: room for the model, but not for model and velocities.
    const blocks = Math.round((1.4 * (await stat(`${run}/best.safetensors`)).size) / 512);
    const limited = spawn(
      'sh',
      [
        '-c',
        `ulimit -f ${blocks}; exec "$@"`,
        'sh',
        process.execPath,
        mainFile,
        ...words`train --out ${run} --resume --epochs 3`,
      ],
      {
        env: { ...process.env, ...work.environment },
      },
    );
    const { code, stderr } = await outcomeOf(limited);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /last\.safetensors could not be written: .*; training stopped after iteration 4, and iteration 2 is saved; continue with --resume/,
    );
    await succeeded(work.vgg`train --out ${run} --resume --epochs 3`);
  });
});
