import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork } from '../../src/net/network.ts';
import { readModel } from '../../src/weights/model/read-model.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { noChromium, until } from '../e2e/page-browser.ts';
import { png, writeFiles } from '../support/images.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { WebPage } from './web-page.ts';

describe('the example of docs/guides/gpu.md', { skip: noChromium }, () => {
  const work = new TemporaryFolder();
  let web: WebPage;

  before(async () => {
    const network = buildNetwork({ configuration: 'A', classes: 2, crop: 32, width: 0.05 });
    const tensors = initialize(network, { method: 'glorot', seed: 1 });
    const names = ['cat', 'dog'];
    const facts = { classes: names, labels: names, meanRgb: [120, 120, 120] as const, provenance: {} };
    await writeModel(work.path('best.safetensors'), { network, tensors, ...facts });
    for (const [c, name] of names.entries()) {
      for (let i = 0; i < 8; i++) {
        await writeFiles(work.folder, { [`photos/${name}/${i}.png`]: await png(40, 40 + i, 3 * c) });
      }
    }
    web = await WebPage.open({ 'best.safetensors': await readFile(work.path('best.safetensors')) });
  });
  after(() => web?.close());

  it('does what it says', async () => {
    const text = await readFile(join(projectFolder, 'docs/guides/gpu.md'), 'utf8');
    const [, example] = /```js\n([\s\S]*?)```/.exec(text)!;
    assert.ok(example!.match(/^.+$/gm)!.length <= 15, 'more than fifteen lines');
    const { page } = web;
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    await page.evaluate(`history.replaceState(null, '', '/files/');
      document.body.innerHTML =
        '<canvas width="50" height="40"></canvas><input type="file" multiple webkitdirectory>';`);
    await page.locator('input').setInputFiles(work.path('photos'));
    const rest = 'window.answer = [...new Uint8Array(await blob.arrayBuffer())];';
    await page.addScriptTag({ type: 'module', content: `${example}\n${rest}` });
    await until(async () => {
      assert.deepEqual(web.errors, []);
      return (await page.evaluate('window.answer !== undefined')) as boolean;
    }, 'the end of the example');
    const bytes = Buffer.from((await page.evaluate('window.answer')) as number[]);
    await writeFiles(work.folder, { 'trained.safetensors': bytes });
    const { classes } = await readModel(work.path('trained.safetensors'));
    assert.deepEqual(classes, ['cat', 'dog']);
    assert.equal(said[said.findIndex((line) => line.startsWith('most likely')) - 1], '1');
    assert.ok(said.some((line) => /^most likely: (cat|dog)$/.test(line)));
    assert.match(said.join('\n'), /^validation [\d.]+ [\d.]+$/m);
  });
});
