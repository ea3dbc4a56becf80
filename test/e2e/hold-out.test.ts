import assert from 'node:assert/strict';
import { cp, readFile, rename } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { range } from '../support/lists.ts';
import { failed, jsonOf, succeeded, words } from './cli-process.ts';
import { CLASSES, linesOf, QUICK, Workplace } from './training-runs.ts';

describe('a run on data without a validation split', () => {
  const work = new Workplace();
  const [data, run] = [work.path('shots'), work.path('run')];
  const model = `${run}/last.safetensors`;
  before(async () => {
    for (const [label, name] of CLASSES.entries()) {
      for (const i of range(12))
        await writeFiles(data, { [`${name}/${i}.jpg`]: await jpeg(40 + i, 38 + label, 3 * i + label) });
    }
    await succeeded(work.vgg`train ${data} --out ${run} ${QUICK} --iterations 3`);
  });

  const evaluate = (data: string, ...more: string[]) =>
    jsonOf(work.vgg`evaluate ${data} --model ${model} --protocol center --json ${more}`);

  it('is evaluated on its held-out images: moved, renamed or packed, with the error of training', async () => {
    const { split, images, loss, meanClassError } = (await linesOf(`${run}/metrics.jsonl`)).at(-1);
    assert.deepEqual([split, images], ['held-out', 4]);
    const expected = { split, images, loss, meanClassError, trainedOn: 32 };
    const moved = work.path('moved');
    await cp(data, moved, { recursive: true });
    await rename(`${moved}/cat/3.jpg`, `${moved}/cat/first.jpg`);
    await succeeded(work.vgg`pack ${data} ${work.path('packed')}`);
    await succeeded(work.vgg`pack ${data} ${work.path('shrunk')} --scale 37`);
    for (const [place, more] of [
      [data, []],
      [data, words`--split val`],
      [moved, []],
      [work.path('packed'), words`--split val`],
    ] as const) {
      const { split, images, loss, meanClassError, trainedOn } = await evaluate(place, ...more);
      assert.ok(Math.abs(loss - expected.loss) < 1e-6);
      assert.deepEqual({ split, images, meanClassError, trainedOn, loss: expected.loss }, expected);
    }
    const shrunk = await evaluate(work.path('shrunk'));
    assert.deepEqual([shrunk.images, shrunk.trainedOn], [4, 32]);
    const trained = await evaluate(work.path('shrunk'), '--split', 'train');
    assert.deepEqual([trained.images, trained.split], [32, 'train']);
  });

  it('is reported and described by its held-out images', async () => {
    const { stdout } = await succeeded(work.vgg`report ${run}`);
    assert.match(stdout, /on 4 images \(split: held-out; 32 others were trained on\)/);
    const card = await succeeded(work.vgg`card ${run}`);
    assert.match(card.stdout, /On the held-out images, .*images \| 4 \(split: held-out\)/s);
  });

  it('is the start of another run, whose model has seen the images of both', async () => {
    const next = words`--from ${model} --out ${work.path('next')} --seed 2 --iterations 1`;
    const { stderr } = await succeeded(work.vgg`train ${data} ${QUICK} ${next}`);
    // Here all of them: the second seed holds out others.
    assert.match(stderr, /was trained on 4 of the 4 validation images/);
    const evaluation = work.vgg`evaluate ${data} --model ${work.path('next', 'last.safetensors')}`;
    await failed(
      evaluation,
      1,
      /the model was trained on all 36 images of .*; give others, or --split train/,
    );
  });

  it('keeps its record when it is resumed, and names no folder of this machine in its model', async () => {
    const before = await readSafetensors(model);
    await succeeded(work.vgg`train --out ${run} --resume --iterations 4`);
    const { metadata } = await readSafetensors(model);
    assert.equal(metadata['verydeep.validation'], before.metadata['verydeep.validation']);
    assert.equal(JSON.parse(metadata['verydeep.provenance']!).data, 'shots');
    assert.ok(!(await readFile(model)).includes(work.folder));
    assert.equal((await evaluate(data)).images, 4);
  });
});
