import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { QUICK, Workplace } from './training-runs.ts';

describe('vgg report', () => {
  const work = new Workplace();

  it('shows a run in the terminal, and as a page with real pictures', async () => {
    const run = work.path('run');
    const trained = await work.vgg('train', work.path('photos'), '--out', run, ...QUICK, '--iterations', '4');
    assert.equal(trained.code, 0, trained.stderr);
    const page = work.path('report.html');
    const { code, stdout, stderr } = await work.vgg('report', run, '--out', page, '--mistakes', '3');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /worst classes/);
    const html = await readFile(page, 'utf8');
    const pictures = [...html.matchAll(/data:image\/png;base64,([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data!, 'base64'),
    );
    // Three mistakes with their score maps, at the least: twelve images, three classes, hardly any training.
    assert.equal(pictures.length, 3 * 2 + 1);
    for (const picture of pictures) assert.ok((await sharp(picture).metadata()).width! >= 32);
  });

  it('says so where there is no run', async () => {
    const { code, stderr } = await work.vgg('report', work.path('nothing'));
    assert.equal(code, 1);
    assert.match(stderr, /nothing is not a run folder \(no recipe\.yaml\); check the path/);
  });
});
