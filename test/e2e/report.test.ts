import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { parse } from 'yaml';
import { failed, succeeded } from './cli-process.ts';
import { noChromium, openBrowser, violationsOf } from './page-browser.ts';
import { QUICK, Workplace } from './training-runs.ts';

describe('a finished run', () => {
  const work = new Workplace();
  const run = work.path('run');

  it('is shown by vgg report in the terminal, and as a page with pictures', async () => {
    await succeeded(work.vgg`train ${work.path('photos')} --out ${run} ${QUICK} --iterations 4`);
    const page = work.path('report.html');
    const { stdout } = await succeeded(work.vgg`report ${run} --out ${page} --mistakes 3`);
    assert.match(stdout, /worst classes/);
    const html = await readFile(page, 'utf8');
    assert.match(html, /<h1>verydeep: run<\/h1>/, 'no folder of this machine');
    const pictures = [...html.matchAll(/data:image\/png;base64,([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data!, 'base64'),
    );
    // Filters, and three mistakes with score maps: of twelve images, three classes and hardly any training.
    assert.equal(pictures.length, 3 * 2 + 1);
    for (const picture of pictures) assert.ok((await sharp(picture).metadata()).width! >= 32);
  });

  it('is shown as a page with nothing that axe finds wrong', { skip: noChromium }, async () => {
    const out = work.path('accessible.html');
    await succeeded(work.vgg`report ${work.path('run')} --out ${out}`);
    const browser = await openBrowser();
    try {
      for (const colors of ['light', 'dark'] as const) {
        for (const width of [1280, 390]) {
          const context = await browser.newContext({ colorScheme: colors, viewport: { width, height: 800 } });
          const page = await context.newPage();
          await page.goto(pathToFileURL(out).href);
          assert.deepEqual(await violationsOf(page), [], `${colors} ${width}`);
          await context.close();
        }
      }
    } finally {
      await browser.close();
    }
  });

  it('is described by vgg card, without paths of this machine', async () => {
    const { stdout } = await succeeded(work.vgg`card ${run} --license mit`);
    const card = parse(/^---\n(.*?)\n---\n/s.exec(stdout)![1]!);
    const result = JSON.parse(await readFile(work.path('run', 'result.json'), 'utf8'));
    assert.equal(card.license, 'mit');
    const { value } = card['model-index'][0].results[0].metrics[0];
    assert.equal(value, Number((1 - result.best.top1Error).toFixed(6)));
    const model = await readFile(work.path('run', 'best.safetensors'));
    assert.ok(stdout.includes(createHash('sha256').update(model).digest('hex')));
    assert.match(stdout, /cat, dog, owl/);
    assert.ok(!stdout.includes(work.folder));

    const out = work.path('README.md');
    await succeeded(work.vgg`card ${run} --license mit --out ${out}`);
    assert.equal(await readFile(out, 'utf8'), stdout);
  });

  for (const command of ['report', 'card']) {
    it(`is required by vgg ${command}`, async () => {
      await failed(work.vgg(command, work.path('nothing')), 1, /nothing is not a run/);
    });
  }
});
