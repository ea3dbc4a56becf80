import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { hugePng, idx, jpeg, png, writeFiles } from '../support/images.ts';
import { failed, mainFile, type Outcome, outcomeOf, succeeded, words } from './cli-process.ts';
import { assertSameTensors, QUICK, Workplace } from './training-runs.ts';

describe('bad input', () => {
  const work = new Workplace();
  let runs = 0;

  function train(data: string, ...flags: string[]): Promise<Outcome> {
    return work.vgg`train ${data} --out ${work.path(`run${++runs}`)} ${QUICK} --iterations 2 ${flags}`;
  }

  /** The photos, and more files. */
  async function photosWith(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
    await cp(work.path('photos'), work.path(name), { recursive: true });
    await writeFiles(work.path(name), files);
    return work.path(name);
  }

  /** Expects exit code 1, one line on stderr that names the cause, and no run folder. */
  async function refused(data: string, message: RegExp, ...flags: string[]): Promise<void> {
    const { stderr } = await failed(train(data, ...flags), 1, message);
    assert.doesNotMatch(stderr, /\n\s+at /, 'a stack');
    await assert.rejects(readFile(work.path(`run${runs}`, 'recipe.yaml')), { code: 'ENOENT' });
  }

  it('a missing folder', () => refused(work.path('nothing'), /nothing does not exist/));

  it('an empty folder', async () => {
    await mkdir(work.path('empty'));
    await refused(work.path('empty'), /empty holds no images/);
  });

  it('a class folder with no images', async () => {
    await writeFiles(work.path('hollow'), { 'a/1.jpg': await jpeg(40, 40), 'b/readme.txt': 'no image' });
    await refused(work.path('hollow'), /hollow\/b holds no image/);
  });

  it('fewer than two classes', async () => {
    await writeFiles(work.path('lonely'), { 'a/1.jpg': await jpeg(40, 40) });
    await refused(work.path('lonely'), /only one class \(a\)/);
  });

  it('labels out of range', async () => {
    const pixels = new Uint8Array(4 * 28 * 28);
    await writeFiles(work.path('fashion-mnist'), {
      'train-images-idx3-ubyte': idx([4, 28, 28], pixels),
      'train-labels-idx1-ubyte': idx([4], Uint8Array.of(0, 1, 2, 77)),
    });
    await refused(work.path('fashion-mnist'), /train-labels-idx1-ubyte.*77/);
  });

  const broken: Record<string, () => Promise<Uint8Array | string>> = {
    'a truncated JPEG': async () => (await jpeg(300, 200, 5)).subarray(0, 2000),
    'a text file named .jpg': async () => 'I am not an image.',
    'a 0-byte file': async () => '',
    'a PNG bomb of 30,000×30,000': async () =>
      hugePng(30_000, 30_000, Buffer.alloc(30_000 * (1 + 30_000 / 8)), 1),
  };
  for (const [what, content] of Object.entries(broken)) {
    it(`${what}: training stops before the first iteration, or skips and counts it`, async () => {
      const folder = await photosWith(`broken${++runs}`, { 'train/owl/broken.jpg': await content() });
      await refused(folder, /1 of the 25 images .* cannot be used.*--skip-bad:\n.*train\/owl\/broken\.jpg/s);
      const { stderr } = await succeeded(train(folder, '--skip-bad'));
      assert.match(
        stderr,
        /1 of 25 training images cannot be read and is left out:\n.*train\/owl\/broken\.jpg/,
      );
    });
  }

  it('images that are left out are in the JSON result', async () => {
    const folder = await photosWith('listed', { 'train/owl/bad.jpg': 'text', 'val/owl/bad.jpg': 'text' });
    const { stdout } = await succeeded(train(folder, '--skip-bad', '--json'));
    const { bad } = JSON.parse(stdout);
    assert.equal(bad.length, 2);
    assert.match(bad[0], /train\/owl\/bad\.jpg/);
    assert.match(bad[1], /val\/owl\/bad\.jpg/);
  });

  it('a current folder that was deleted is named, whatever asks for it', async () => {
    const folder = await photosWith('elsewhere', {});
    const script = 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"';
    const run = (...command: string[]) =>
      outcomeOf(spawn('sh', ['-c', script, work.path('gone'), process.execPath, mainFile, ...command]));
    const flags = words`--out ${work.path('elsewhere-run')} ${QUICK} --iterations 2`;
    const message = /the current folder was deleted; change to one that exists/;
    for (const words of [
      ['train', folder, ...flags, '--backend', 'wasm'],
      ['train', 'photos'],
      ['serve', '--model', 'model.safetensors'],
    ]) {
      const { stderr } = await failed(run(...words), 1, message);
      assert.doesNotMatch(stderr, /ENOENT|internal error/);
    }
    await succeeded(run('train', folder, ...flags));
  });

  it('a file that cannot be read', async () => {
    const folder = await photosWith('dangling', {});
    await symlink(work.path('gone.jpg'), `${folder}/train/cat/gone.jpg`);
    await refused(folder, /train\/cat\/gone\.jpg/);
  });

  it('a 1×1 image is an image', async () => {
    await succeeded(train(await photosWith('tiny', { 'train/cat/tiny.png': await png(1, 1) })));
  });

  it('a validation set with another class', async () => {
    await refused(await photosWith('strange', { 'val/yak/1.jpg': await jpeg(40, 40) }), /yak/);
  });

  it('a model for other classes', async () => {
    await succeeded(train(work.path('photos'), '--iterations', '1'));
    const model = work.path(`run${runs}/best.safetensors`);
    await writeFiles(work.path('zoo'), { 'yak/1.jpg': await jpeg(40, 40), 'zebu/1.jpg': await jpeg(40, 40) });
    const unknown = /class "yak", which .*best\.safetensors does not have; its classes are cat, dog, owl/;
    await failed(work.vgg`evaluate ${work.path('zoo')} --model ${model}`, 1, unknown);
  });

  it('a rate at which training diverges', async () => {
    const run = train(work.path('photos'), '--lr', '1000', '--iterations', '20');
    await failed(run, 1, /loss is not finite at iteration \d+ .*lower --lr/);
  });

  it('a network that is dead', async () => {
    const run = train(work.path('photos'), ...words`--init gaussian --init-std 1e-6 --iterations 100`);
    await failed(run, 1, /network is not learning: for \d+ iterations .* ln\(3\).*--init glorot/);
  });

  for (const [flags, message] of [
    ['--momentun 0.9', /unknown option '--momentun'.*--momentum/s],
    ['--momentum 2', /--momentum/],
    ['--batch many', /--batch/],
    ['--config F', /--config.*must be one of A, /],
    ['--crop 50', /--crop.*32/],
  ] as const) {
    it(`the flags ${flags}: exit code 2`, async () => {
      await failed(train(work.path('photos'), ...flags.split(' ')), 2, message);
    });
  }

  it('a recipe with an unknown key', async () => {
    await writeFiles(work.folder, { 'recipe.yaml': 'learning-rate: 0.1\n' });
    const unknown = /recipe\.yaml: unknown key learning-rate; the keys are/;
    await refused(work.path('photos'), unknown, '--recipe', work.path('recipe.yaml'));
  });
});

describe('a full disk', { skip: process.getuid?.() !== 0 && 'mounting a small disk needs root' }, () => {
  const work = new Workplace();
  it('while checkpointing: one sentence, and the old checkpoint is complete', async (t) => {
    const train = words`train ${work.path('photos')} ${QUICK} --checkpoint-every 1 --seed 4 --iterations 6`;
    await succeeded(work.vgg`${train} --out ${work.path('plain')}`);
    const { size } = await stat(work.path('plain/last.safetensors'));
    const disk = work.path('disk');
    await mkdir(disk);
    // Room for one checkpoint and part of the next.
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${Math.round(1.6 * size)}`, 'tmpfs', disk]);
    t.after(() => execFileSync('umount', [disk]));
    const full = /last\.safetensors could not be written: the disk is full/;
    await failed(work.vgg`${train} --out ${disk}/run`, 1, full);
    assert.equal((await readCheckpoint(`${disk}/run/last.safetensors`))!.state.iteration, 1);
    execFileSync('mount', ['-o', `remount,size=${10 * size}`, disk]);
    await succeeded(work.vgg('train', '--out', `${disk}/run`, '--resume'));
    await assertSameTensors(`${disk}/run/last.safetensors`, work.path('plain/last.safetensors'));
  });
});
