import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { jpeg, writeFiles } from '../support/images.ts';
import {
  colorOf,
  noBrowser,
  PageFixture,
  textsOf,
  trainRun,
  until,
  Visit,
  vggOutput,
} from './page-browser.ts';
import { CLASSES } from './training-runs.ts';

describe('the page: classify', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    await writeFiles(work.folder, { 'wide.jpg': await jpeg(96, 64, 3) });
    return ['--model', `${await trainRun(work, 'first')}/last.safetensors`];
  });
  const { work } = fixture;

  const wide = () => readFile(work.path('wide.jpg'));

  it('names the classes of an image by each protocol, as the command line does', async (t) => {
    const visit = await fixture.visit('classify');
    await visit.choose(await wide());
    for (const [protocol, name] of [
      ['dense', 'Dense'],
      ['crops', 'Multi-crop'],
      ['both', 'Both'],
      ['center', 'Center crop'],
    ] as const) {
      const list = await visit.prediction(name);
      const model = work.path('runs/first/last.safetensors');
      const flags = ['--model', model, '--protocol', protocol, '--json'];
      const [image] = JSON.parse(await vggOutput(work, 'predict', work.path('wide.jpg'), ...flags))
        .images as [{ top: { label: string; probability: number }[] }];
      assert.deepEqual(
        await textsOf(list.getByRole('listitem')),
        image.top.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`),
        protocol,
      );
    }
    const main = await textsOf((await visit.prediction()).getByRole('listitem'));
    assert.deepEqual(main, await textsOf((await visit.prediction('Dense')).getByRole('listitem')));
    await visit.picture(t, 'classify-light');
    await visit.close();
  });

  it('lays the score map of a class over the image, with its opacity, scale by scale', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose(await wide());
    await visit.showScoreMap();
    const sides = page.getByRole('group', { name: 'Scale (smaller side, px)' });
    await sides.getByRole('radio', { name: '128', exact: true }).check();
    // 128 × 192 at a crop of 32 and a stride of 32.
    const map = page.getByRole('img', { name: /^Score map of \w+ over .*: 4 rows of 6 positions/ });
    await map.waitFor();
    await page.getByText(/^Enlarged beyond the scale that the model was trained at \(40 px\)/).waitFor();
    const opacity = page.getByRole('slider', { name: /Opacity/ });
    await opacity.fill('0');
    const plain = await colorOf(map);
    await opacity.fill('1');
    const covered = await colorOf(map);
    assert.ok(Math.hypot(...covered.map((value, c) => value - plain[c]!)) > 20, `${plain} ${covered}`);
    await opacity.fill('0.6');

    await page.getByText('Show as table').click();
    const table = page.getByRole('table', { name: /at each position$/ });
    assert.equal(await table.getByRole('row').count(), 1 + 4);
    const label = (await map.getAttribute('aria-label'))!;
    const most = /to ([\d.]+)/.exec(label)![1]!;
    assert.ok((await table.getByRole('cell', { name: most }).count()) > 0, `${most} is in the table`);

    await page.locator('.stage').hover({ position: { x: 5, y: 5 } });
    await page.getByText(/^Row 1, column 1: /).waitFor();
    await visit.picture(t, 'score-map-light');

    const shown = /Score map of (\w+)/.exec(label)![1]!;
    const other = CLASSES.find((name) => name !== shown)!;
    await page.getByRole('combobox', { name: 'Class' }).selectOption({ label: await optionOf(other) });
    await page.getByRole('img', { name: new RegExp(`^Score map of ${other}`) }).waitFor();
    await visit.close();

    async function optionOf(name: string): Promise<string> {
      const options = await page
        .getByRole('combobox', { name: 'Class' })
        .getByRole('option')
        .allTextContents();
      return options.find((text) => text.startsWith(name))!;
    }
  });

  it('offers validation images, and says how sure it is', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    const known = page.getByRole('region', { name: 'What first-last knows' });
    assert.deepEqual(await textsOf(known.getByRole('listitem')), [...CLASSES]);
    const samples = page.getByRole('region', { name: 'Sample images' }).getByRole('button');
    await samples.first().waitFor();
    assert.equal(await samples.count(), 12);
    await samples.filter({ hasText: 'owl' }).first().click();
    await visit.prediction();
    await page.getByText('In the data set, this image is labeled owl.').waitFor();
    const verdict = page.locator('.best-class');
    const [words] = await textsOf(verdict);
    const [first, second] = await textsOf((await visit.prediction()).getByRole('listitem'));
    const named = (text: string) => text.replace(/ ([\d.]+ %)$/, ' ($1)');
    // After six iterations the network knows next to nothing.
    assert.equal(words, `Not sure Perhaps ${named(first!)} or ${named(second!)}.`);
    await visit.picture(t, 'classify-sample-light');
    await visit.close();
  });

  it('shows which parts matter by occlusions and by Grad-CAM, for any class', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose(await wide());
    const [best] = await textsOf((await visit.prediction()).getByRole('listitem'));
    const shown = best!.split(' ')[0]!;
    // 36 × 54 pixels, squares of 8 pixels, 4 apart.
    await page
      .getByRole('img', { name: new RegExp(`^Occlusion map of ${shown} over .*: 8 rows of 12`) })
      .waitFor();
    await page.locator('.stage').hover({ position: { x: 5, y: 5 } });
    await page.getByText(/^Row 1, column 1: [\d.]+.% is left of /).waitFor();
    await page.getByRole('radio', { name: 'Grad-CAM' }).check();
    await page.getByRole('img', { name: new RegExp(`^Grad-CAM of ${shown} over`) }).waitFor();
    const other = CLASSES.find((name) => name !== shown)!;
    const options = page.getByRole('combobox', { name: 'Class' }).getByRole('option');
    const label = (await options.allTextContents()).find((text) => text.startsWith(other))!;
    await page.getByRole('combobox', { name: 'Class' }).selectOption({ label });
    await page.getByRole('img', { name: new RegExp(`^Grad-CAM of ${other} over`) }).waitFor();
    assert.deepEqual(await visit.violations(), []);
    await visit.picture(t, 'grad-cam-light');
    await visit.close();
  });

  it('shows the prediction from each crop of the grid', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose(await wide());
    await page.getByRole('radio', { name: 'Crops', exact: true }).check();
    const crops = page.getByRole('group', { name: /Crops by position/ }).getByRole('button');
    await crops.first().waitFor();
    assert.equal(await crops.count(), 25);
    await crops.nth(0).hover();
    await page.getByText('Crop at row 1, column 1').waitFor();
    await crops.nth(23).hover();
    await page.getByText('Crop at row 5, column 4').waitFor();
    const answer = page.getByRole('list', { name: 'Most probable classes of this crop' });
    const [best] = await textsOf(answer.getByRole('listitem'));
    assert.match((await crops.nth(23).getAttribute('title'))!.replace(/\s/g, ' '), new RegExp(best!));
    await page.locator('.stage').hover({ position: { x: 6, y: 6 } });
    await page.getByText('Crop at row 1, column 1').waitFor();
    await visit.picture(t, 'crops-light');
    await visit.close();
  });

  it('takes an image that is dropped or pasted', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.drop(await wide(), 'dropped.jpg', 'image/jpeg');
    await page.getByText('dropped.jpg', { exact: true }).waitFor();
    const clipboardData = Visit.carrying(await wide(), 'pasted.jpg', 'image/jpeg');
    await page.evaluate(
      `document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: ${clipboardData}, bubbles: true }))`,
    );
    await page.getByText('pasted.jpg', { exact: true }).waitFor();
    await visit.prediction();
    await visit.close();
  });

  it('reports in a sentence what is wrong with a file', async () => {
    const visit = await fixture.visit('classify');
    await visit.choose(Buffer.from('no image'), 'letter.jpg');
    await visit.alert('The file "letter.jpg" is not an image this browser can read');
    await visit.choose(await wide());
    await visit.prediction();
    assert.equal(await visit.page.getByRole('alert').count(), 0);
    await visit.close();
  });

  it("shows the server's reason when it refuses an image that the browser can show", async () => {
    const visit = await fixture.visit('classify');
    const gif = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
    await visit.choose(gif, 'dot.gif', 'image/gif');
    const reason = visit.page.getByRole('alert').first();
    await reason.waitFor();
    assert.match((await textsOf(reason))[0]!, /^[A-Z].{15,}\.$/);
    await visit.close(/status of 4\d\d/);
  });

  it('gives examples for programs that work as they are', async () => {
    const visit = await fixture.visit('api');
    const { page } = visit;
    const example = page.locator('.example', { hasText: 'Classify an image' }).locator('code');
    const command = await example.textContent();
    await writeFiles(work.folder, { 'photo.jpg': await wide() });
    const { stdout } = await promisify(execFile)('sh', ['-c', command!], { cwd: work.folder });
    assert.equal(JSON.parse(stdout).images[0].top.length, 3);
    const links = page.getByRole('region', { name: 'Documents' }).getByRole('link');
    for (const link of await links.all()) {
      assert.equal((await fetch((await link.getAttribute('href'))!)).status, 200);
    }
    assert.equal(await links.count(), 3);
    await visit.close();
  });

  it('follows the theme of the system, and then that of the person', async (t) => {
    const visit = await fixture.visit('classify', { colors: 'dark' });
    const { page } = visit;
    const background = 'parseFloat(getComputedStyle(document.documentElement).backgroundColor.slice(4))';
    const paper = (is: '< 50' | '> 90') =>
      until(() => page.evaluate(`${background} ${is}`), `a background ${is}`);
    await paper('< 50');
    await visit.choose(await wide());
    await visit.prediction();
    await visit.picture(t, 'classify-dark');
    await page.getByRole('button', { name: /^Color theme: system/ }).click();
    await paper('> 90');
    await page.reload();
    await paper('> 90');
    await page.getByRole('button', { name: /^Color theme: light/ }).click();
    await paper('< 50');
    await visit.close();
  });
});
