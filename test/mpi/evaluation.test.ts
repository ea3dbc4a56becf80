import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { succeeded, words } from '../e2e/cli-process.ts';
import { Workplace } from '../e2e/training-runs.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { vggRanks, withoutMpi } from './ranks.ts';

/** More than the 256 images that a window of evaluation holds, so that every rank has some. */
const IMAGES = 600;

describe('evaluation over ranks', { skip: withoutMpi }, () => {
  const work = new Workplace();

  it('gives the figures and the predictions of one process, image by image', async () => {
    const images = await Promise.all([0, 1, 2, 3, 4].map((seed) => jpeg(34 + seed, 33, seed)));
    const files = Array.from({ length: IMAGES }, (_, i) => [`val/class${i % 3}/${i}.jpg`, images[i % 5]!]);
    await writeFiles(work.path('many'), Object.fromEntries(files));
    const model = work.path('model.safetensors');
    await succeeded(work.vgg`init --config A --classes 3 --width 0.05 --crop 32 --out ${model}`);
    const options = words`--scales 32 --protocol center --threads 1 --json`;
    const args = (name: string) =>
      words`evaluate ${work.path('many')} --model ${model} ${options} --predictions ${work.path(name)}`;
    const alone = await succeeded(work.vgg`${args('alone.jsonl')}`);
    const ranks = await succeeded(vggRanks(3, args('ranks.jsonl'), work.environment));
    const figures = (text: string) => ({ ...JSON.parse(text), seconds: 0 });
    assert.deepEqual(figures(ranks.stdout), figures(alone.stdout));
    assert.equal(figures(ranks.stdout).images, IMAGES);
    const lines = (name: string) => readFile(work.path(name), 'utf8');
    assert.equal(await lines('ranks.jsonl'), await lines('alone.jsonl'));
  });
});
