import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { jpeg, writeFiles } from '../support/images.ts';
import { CLASSES, QUICK, Workplace } from './training-runs.ts';

describe('train, evaluate, predict', () => {
  const work = new Workplace();
  const run = () => work.path('run');
  const photos = () => work.path('photos');
  const metrics = async () =>
    (await readFile(`${run()}/metrics.jsonl`, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('trains, and leaves recipe, metrics, events, checkpoint and best model', async () => {
    const { stdout } = await work.ok`train ${photos()} --out ${run()} ${QUICK} --iterations 12 --json`;
    const outcome = JSON.parse(stdout);
    assert.equal(outcome.reason, 'iterations');
    assert.equal(outcome.iterations, 12);
    const files = await readdir(run());
    for (const name of ['recipe.yaml', 'metrics.jsonl', 'last.safetensors', 'best.safetensors']) {
      assert.ok(files.includes(name), name);
    }
    assert.ok(files.some((name) => name.startsWith('events.out.tfevents.')));
    assert.ok(!files.some((name) => name.includes('.tmp') || name.startsWith('.lock')), files.join());
    const recipe = parse(await readFile(`${run()}/recipe.yaml`, 'utf8'));
    assert.equal(recipe.scale, '32..40');
    assert.equal(recipe.momentum, 0.9);
    const lines = await metrics();
    assert.equal(lines.filter(({ kind }) => kind === 'train').length, 12);
    // 24 images, batch 12: an epoch every second iteration.
    assert.equal(lines.filter(({ kind }) => kind === 'validation').length, 6);
    assert.equal(outcome.last.top1Error, lines.at(-1).top1Error);
  });

  it('evaluates the model to the very figures of the last validation', async () => {
    const { stdout } =
      await work.ok`evaluate ${photos()} --model ${run()}/last.safetensors --protocol center --json`;
    const { images, top1Error, loss, scales, protocol } = JSON.parse(stdout);
    const last = (await metrics()).at(-1);
    assert.deepEqual({ images, top1Error, loss }, { images: 12, top1Error: last.top1Error, loss: last.loss });
    assert.deepEqual([scales, protocol], [[36], 'center']);
  });

  it('predicts: posteriors that sum to 1, the best first, labels by name', async () => {
    await writeFiles(work.folder, { 'a.jpg': await jpeg(50, 40, 3) });
    const { stdout } =
      await work.ok`predict ${work.path('a.jpg')} --model ${run()}/best.safetensors --json --all`;
    const [image] = JSON.parse(stdout).images;
    const sum = image.posteriors.reduce((a: number, b: number) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-6);
    assert.equal(image.top.length, CLASSES.length);
    assert.equal(image.top[0].probability, Math.max(...image.posteriors));
    assert.equal(image.top[0].label, CLASSES[image.top[0].index]);
  });

  it('starts from a model with other classes, replaces fc8 and says so', async () => {
    const two = work.path('two');
    for (const [seed, name] of ['x', 'y'].entries()) {
      for (let i = 0; i < 12; i++)
        await writeFiles(two, { [`${name}/${i}.jpg`]: await jpeg(36, 36, seed + i) });
    }
    const { stderr } =
      await work.ok`train ${two} --out ${work.path('fine')} ${QUICK} --iterations 2 --from ${run()}/best.safetensors`;
    assert.match(stderr, /new: fc8/);
    assert.match(stderr, /2 of 24 images are held out for validation/);
  });

  it('starts a deeper net from a shallower one', async () => {
    const { stderr } =
      await work.ok`train ${photos()} --out ${work.path('deeper')} ${QUICK} --config B --iterations 2 --from-shallower ${run()}/best.safetensors`;
    assert.match(
      stderr,
      /taken from .*: conv1_1, conv2_1, conv3_1, conv3_2, fc6, fc7, fc8; new: conv1_2, conv2_2/,
    );
  });

  it('refuses a run folder that exists, and leaves it alone', async () => {
    const before = await readFile(`${run()}/last.safetensors`);
    await work.fails(
      1,
      /run folder .* exists; continue it with --resume/,
    )`train ${photos()} --out ${run()} ${QUICK}`;
    assert.deepEqual(await readFile(`${run()}/last.safetensors`), before);
  });
});
