/** An installation without the addons, as `npm install --omit=optional` leaves it: WebAssembly and JavaScript compute. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { projectFolder } from '../../src/core/project.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type Outcome, vgg } from './cli-process.ts';
import { QUICK, Workplace } from './training-runs.ts';

const compiled = fileURLToPath(new URL('../../src', import.meta.url));

describe('vgg without native addons', () => {
  const work = new Workplace();
  const installed = new TemporaryFolder();

  before(async () => {
    await mkdir(installed.path('dist'));
    await cp(compiled, installed.path('dist/src'), { recursive: true });
    await cp(join(projectFolder, 'package.json'), installed.path('package.json'));
    for (const folder of ['node_modules', 'labels', 'recipes']) {
      await symlink(join(projectFolder, folder), installed.path(folder), 'dir');
    }
  });

  function run(flags: readonly string[], ...command: string[]): Promise<Outcome> {
    const args = [...flags, installed.path('dist/src/cli/vgg.cjs'), ...command];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  }

  async function succeeds(...command: string[]): Promise<Outcome> {
    const outcome = await run([], ...command);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome;
  }

  it('trains, evaluates and predicts as with them, and notes once that this is slower', async () => {
    const [here, there] = [work.path('runs', 'wasm'), work.path('runs', 'native')];
    const training = ['train', work.path('photos'), ...QUICK, '--iterations', '6'];
    const { stderr } = await succeeds(...training, '--out', here);
    const note =
      /No native kernels load \(tried \S+verydeep_kernels\.node \(not built\), @verydeep\/\S+ \(not installed\)\), so WebAssembly computes, which is slower: /g;
    assert.equal([...stderr.matchAll(note)].length, 1, stderr);
    assert.equal([...stderr.matchAll(/No image addon loads /g)].length, 1, stderr);
    assert.equal((await vgg(...training, '--out', there)).code, 0);

    const model = join(there, 'last.safetensors');
    const evaluation = ['evaluate', work.path('photos'), '--model', model, '--json'];
    const errors = (outcome: Outcome) => JSON.parse(outcome.stdout).top1Error;
    assert.equal(errors(await succeeds(...evaluation)), errors(await vgg(...evaluation)));

    const image = work.path('photos/val/cat/8.jpg');
    const predict = ['predict', image, '--model', join(here, 'last.safetensors'), '--json', '--all'];
    const posteriors = (outcome: Outcome): number[] => JSON.parse(outcome.stdout).images[0].posteriors;
    const [mine, expected] = [posteriors(await succeeds(...predict)), posteriors(await vgg(...predict))];
    for (const [i, value] of expected.entries()) assert.ok(Math.abs(mine[i]! - value) < 1e-4, `${mine}`);
  });

  it('doctor names the kernels that it took, and why not the others', async () => {
    const { stdout } = await run([], 'doctor', '--json');
    const checks = JSON.parse(stdout).checks as Record<'name' | 'status' | 'found' | 'remedy', string>[];
    const { status, found, remedy } = checks.find(({ name }) => name === 'backend')!;
    assert.equal(status, 'warning');
    assert.match(
      found,
      /^WebAssembly with (relaxed )?SIMD, \d+ threads?, from WebAssembly; not \S+ \(not built\), @verydeep\/\S+ \(not installed\); slower/,
    );
    assert.match(remedy, /reinstall verydeep/);
    const images = checks.find(({ name }) => name === 'images')!;
    assert.match(images.found, /no image addon loads \(tried \S+ \(not built\), /);
  });

  it('with no WebAssembly either, one sentence lists what was tried and the remedy', async () => {
    const command = ['init', '--config', 'A', '--classes', '3', '--crop', '32', '--width', '0.05'];
    const model = work.path('m.safetensors');
    await succeeds(...command, '--out', model);
    await rm(installed.path('dist/src/kernels/wasm/binary'), { recursive: true });
    const image = work.path('photos/val/cat/8.jpg');
    const { code, stderr } = await run([], 'predict', image, '--model', model);
    assert.equal(code, 1);
    const errors = stderr.split('\n').filter((line) => /no kernels load/.test(line));
    assert.equal(errors.length, 1, stderr);
    assert.match(
      errors[0]!,
      /no kernels load \(tried \S+ \(not built\), @verydeep\/\S+ \(not installed\), WebAssembly \(.*\)\): reinstall verydeep/,
    );
    const doctor = await run([], 'doctor');
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /✗ backend +no kernels load/);
  });
});
