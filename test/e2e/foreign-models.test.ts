/** Models of other formats where a person uses one: prediction, evaluation, the start of a training. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import { QUICK, Workplace } from './training-runs.ts';

const fixture = (name: string) => join(projectFolder, 'test/fixtures/weights', name);
const TORCHVISION = ['--convention', 'torchvision'];

describe('models of other formats', () => {
  const place = new Workplace();

  async function succeeds(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await place.vgg(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  test('predict as the converted model does, once the convention is given', async () => {
    const image = place.path('photos', 'val', 'cat', '8.jpg');
    const model = fixture('torch-d.pth');
    const refused = await place.vgg('predict', image, '--model', model);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /torch-d\.pth does not state its preprocessing.*--convention/);
    const common = ['--scales', '64', '--all', '--json'];
    const direct = await succeeds('predict', image, '--model', model, ...TORCHVISION, ...common);
    const converted = place.path('d.safetensors');
    await succeeds('convert', model, converted, ...TORCHVISION);
    assert.deepEqual(
      JSON.parse(direct),
      JSON.parse(await succeeds('predict', image, '--model', converted, ...common)),
    );
    assert.equal(JSON.parse(direct).images[0].posteriors.length, 5);
  });

  test('are evaluated with class names from a file', async () => {
    const names = place.path('names.txt');
    await writeFile(names, 'owl\nhen\ncat\nfox\ndog\n');
    const flags = ['--model', fixture('torch-d.pth'), ...TORCHVISION, '--scales', '64', '--json'];
    const refused = await place.vgg('evaluate', place.path('photos'), ...flags);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cat/);
    const out = await succeeds('evaluate', place.path('photos'), ...flags, '--classes-file', names);
    assert.equal(JSON.parse(out).images, 12);
  });

  test('start a training, convolutions alone too, with a new classifier', async () => {
    const model = fixture('torch-e-features.pth');
    const flags = [...QUICK, '--config', 'E', '--width', '0.015625', '--iterations', '2', '--from', model];
    const train = (out: string, ...more: string[]) =>
      place.vgg('train', place.path('photos'), '--out', place.path(out), ...flags, ...more);
    const refused = await train('refused');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /--from-convention/);
    const { code, stderr } = await train('finetuned', '--from-convention', 'torchvision');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /taken from .*torch-e-features\.pth: conv1_1, .*conv5_4; new: fc6, fc7, fc8/);
  });
});
