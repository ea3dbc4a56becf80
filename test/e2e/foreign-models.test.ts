/** Models of other formats where a person uses one: prediction, evaluation, the start of a training. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fixture } from '../unit/weights/fixtures.ts';
import { failed, jsonOf, succeeded, words } from './cli-process.ts';
import { QUICK, Workplace } from './training-runs.ts';

const TORCHVISION = words`--convention torchvision`;

describe('models of other formats', () => {
  const work = new Workplace();
  const photos = work.path('photos');

  test('predict as the converted model does, once the convention is given', async () => {
    const predict = words`predict ${photos}/val/cat/8.jpg --scales 64 --all --json`;
    const [model, converted] = [fixture('torch-d.pth'), work.path('d.safetensors')];
    const unstated = /torch-d\.pth does not state its preprocessing.*--convention/;
    await failed(work.vgg`${predict} --model ${model}`, 1, unstated);
    const direct = await jsonOf(work.vgg`${predict} --model ${model} ${TORCHVISION}`);
    await succeeded(work.vgg`convert ${model} ${converted} ${TORCHVISION}`);
    assert.deepEqual(direct, await jsonOf(work.vgg`${predict} --model ${converted}`));
    assert.equal(direct.images[0].posteriors.length, 5);
  });

  test('are evaluated with class names from a file', async () => {
    const names = work.path('names.txt');
    await writeFile(names, 'owl\nhen\ncat\nfox\ndog\n');
    const model = words`--model ${fixture('torch-d.pth')} ${TORCHVISION}`;
    const evaluate = words`evaluate ${photos} ${model} --scales 64 --json`;
    await failed(work.vgg(...evaluate), 1, /cat/);
    const { images } = await jsonOf(work.vgg`${evaluate} --classes-file ${names}`);
    assert.equal(images, 12);
  });

  test('start a training, convolutions alone too, with a new classifier', async () => {
    const flags = words`${QUICK} --config E --width 0.015625 --iterations 2`;
    const from = words`--from ${fixture('torch-e-features.pth')}`;
    const train = words`train ${photos} --out ${work.path('finetuned')} ${flags} ${from}`;
    await failed(work.vgg(...train), 1, /--from-convention/);
    const { stderr } = await succeeded(work.vgg`${train} --from-convention torchvision`);
    assert.match(
      stderr,
      /layers from .*torch-e-features\.pth: conv1_1, .*conv5_4; newly initialized: fc6, fc7, fc8/,
    );
  });
});
