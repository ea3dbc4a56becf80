import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { jpeg, writeFiles } from '../support/images.ts';
import { failed, jsonOf, succeeded, words } from './cli-process.ts';
import { assertSameTensors, CLASSES, linesOf, QUICK, Workplace } from './training-runs.ts';

describe('train, evaluate, predict', () => {
  const work = new Workplace();
  const [photos, run] = [work.path('photos'), work.path('run')];

  it('trains, and leaves recipe, metrics, events, checkpoint and best model', async () => {
    const outcome = await jsonOf(work.vgg`train ${photos} --out ${run} ${QUICK} --iterations 12 --json`);
    assert.equal(outcome.reason, 'iterations');
    assert.equal(outcome.iterations, 12);
    const files = await readdir(run);
    for (const name of ['recipe.yaml', 'metrics.jsonl', 'last.safetensors', 'best.safetensors']) {
      assert.ok(files.includes(name), name);
    }
    assert.ok(files.some((name) => name.startsWith('events.out.tfevents.')));
    assert.ok(!files.some((name) => name.includes('.tmp') || name.startsWith('.lock')), files.join());
    const recipe = parse(await readFile(`${run}/recipe.yaml`, 'utf8'));
    assert.equal(recipe.scale, '32..40');
    assert.equal(recipe.momentum, 0.9);
    const lines = await linesOf(`${run}/metrics.jsonl`);
    assert.equal(lines.filter(({ kind }) => kind === 'train').length, 12);
    // 24 images, batch 12: an epoch every second iteration.
    assert.equal(lines.filter(({ kind }) => kind === 'validation').length, 6);
    assert.equal(outcome.last.top1Error, lines.at(-1).top1Error);
  });

  it('chooses what is not given by the data, records it, and warns in the result', async () => {
    const plain = work.path('plain');
    const { stderr, stdout } = await succeeded(
      work.vgg`train ${photos} --width 0.05 --epochs 2 --out ${plain} --json`,
    );
    assert.match(
      stderr,
      /note: settings for this data \(24 images, 3 classes, smaller side \d+ px\): --crop 32 /,
    );
    assert.match(stderr, /--from torchvision\/vgg16 --out/);
    const { crop, scale, batch, width, epochs } = parse(await readFile(`${plain}/recipe.yaml`, 'utf8'));
    assert.deepEqual([crop, scale, batch, width, epochs], [32, '32..40', 8, 0.05, 2]);
    const { warnings } = JSON.parse(stdout);
    assert.match(warnings[0], /only 12 validation images/);
    for (const warning of warnings) assert.equal(stderr.split(`warning: ${warning}\n`).length, 2, warning);
  });

  it("trains again with a run's recipe, on its data unless other data is given", async () => {
    const again = work.path('again');
    const { stderr } = await succeeded(work.vgg`train --recipe ${run}/recipe.yaml --out ${again}`);
    assert.ok(stderr.includes(`note: training on ${photos}, the data of ${run}/recipe.yaml`), stderr);
    await assertSameTensors(`${again}/best.safetensors`, `${run}/best.safetensors`);
    assert.equal(
      await readFile(`${again}/recipe.yaml`, 'utf8'),
      await readFile(`${run}/recipe.yaml`, 'utf8'),
    );
    const elsewhere = words`${work.path('none')} --recipe ${run}/recipe.yaml --out ${work.path('other')}`;
    await failed(work.vgg`train ${elsewhere}`, 1, /none does not exist/);
  });

  it('evaluates the model to exactly the errors of the last validation', async () => {
    const model = `${run}/last.safetensors`;
    const result = await jsonOf(work.vgg`evaluate ${photos} --model ${model} --protocol center --json`);
    const { images, top1Error, loss, scales, protocol } = result;
    const last = (await linesOf(`${run}/metrics.jsonl`)).at(-1);
    assert.deepEqual([images, top1Error, loss], [12, last.top1Error, last.loss]);
    assert.deepEqual([scales, protocol], [[36], 'center']);
  });

  it('predicts: posteriors that sum to 1, the best first, labels by name', async () => {
    await writeFiles(work.folder, { 'a.jpg': await jpeg(50, 40, 3) });
    const prediction = work.vgg`predict ${work.path('a.jpg')} --model ${run}/best.safetensors --json --all`;
    const [image] = (await jsonOf(prediction)).images;
    const sum = image.posteriors.reduce((a: number, b: number) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-6);
    assert.equal(image.top.length, CLASSES.length);
    assert.equal(image.top[0].probability, Math.max(...image.posteriors));
    assert.equal(image.top[0].label, CLASSES[image.top[0].index]);
  });

  it('starts from a model with other classes, replaces fc8 and reports it', async () => {
    const two = work.path('two');
    for (const [seed, name] of ['x', 'y'].entries()) {
      for (let i = 0; i < 12; i++)
        await writeFiles(two, { [`${name}/${i}.jpg`]: await jpeg(36, 36, seed + i) });
    }
    const from = words`--out ${work.path('fine')} --from ${run}/best.safetensors`;
    const { stderr } = await succeeded(work.vgg`train ${two} ${QUICK} --iterations 2 ${from}`);
    assert.match(stderr, /newly initialized: fc8/);
    assert.match(stderr, /two has no validation images: 2 of 24 images are held out for validation/);
  });

  it('starts a deeper net from a shallower one', async () => {
    const from = words`--out ${work.path('deeper')} --from-shallower ${run}/best.safetensors`;
    const training = work.vgg`train ${photos} ${QUICK} --config B --iterations 2 ${from}`;
    const { stderr } = await succeeded(training);
    const taken =
      /layers from .*: conv1_1, conv2_1, conv3_1, conv3_2, fc6, fc7, fc8; newly initialized: conv1_2, conv2_2/;
    assert.match(stderr, taken);
  });

  it('refuses a run folder that exists, and leaves it alone', async () => {
    const before = await readFile(`${run}/last.safetensors`);
    const again = work.vgg`train ${photos} --out ${run} ${QUICK}`;
    await failed(again, 1, /run folder .* exists; continue it with --resume/);
    assert.deepEqual(await readFile(`${run}/last.safetensors`), before);
  });
});
