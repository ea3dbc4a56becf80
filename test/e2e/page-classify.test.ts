import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { jpeg, writeFiles } from '../support/images.ts';
import {
  colorOf,
  noBrowser,
  openBrowser,
  type Served,
  serve,
  textsOf,
  until,
  Visit,
} from './page-browser.ts';
import { CLASSES, QUICK, Workplace } from './training-runs.ts';

describe('the page: classify', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    const flags = [...QUICK, '--iterations', '6'];
    const { code, stderr } = await work.vgg(
      'train',
      work.path('photos'),
      '--out',
      work.path('run'),
      ...flags,
    );
    assert.equal(code, 0, stderr);
    await writeFiles(work.folder, { 'wide.jpg': await jpeg(96, 64, 3) });
    server = await serve(work, '--model', work.path('run/last.safetensors'));
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  const wide = () => readFile(work.path('wide.jpg'));

  it('names the classes of an image by each protocol, as the command line does', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify');
    await visit.choose(await wide());
    for (const [protocol, name] of [
      ['dense', 'Dense'],
      ['crops', 'Multi-crop'],
      ['both', 'Both'],
      ['center', 'Center crop'],
    ] as const) {
      const list = visit.page.getByRole('list', { name: `${name}: most probable classes` });
      await list.waitFor();
      const model = work.path('run/last.safetensors');
      const flags = ['--model', model, '--protocol', protocol, '--json'];
      const { stdout, stderr } = await work.vgg('predict', work.path('wide.jpg'), ...flags);
      const [image] = JSON.parse(stdout || stderr).images as [
        { top: { label: string; probability: number }[] },
      ];
      assert.deepEqual(
        await textsOf(list.getByRole('listitem')),
        image.top.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`),
        protocol,
      );
    }
    const verdict = visit.page.getByRole('status').filter({ hasText: 'Most probable' });
    assert.match((await textsOf(verdict))[0]!, new RegExp(`Most probable: (${CLASSES.join('|')}) \\d`));
    await visit.picture(t, 'classify-light');
    await visit.close();
  });

  it('lays the score map of a class over the image, with its opacity, scale by scale', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose(await wide());
    const sides = page.getByRole('group', { name: 'Smaller side, pixels' }).first();
    await sides.getByRole('radio', { name: '128', exact: true }).check();
    // 128 × 192 at a crop of 32 and a stride of 32.
    const map = page.getByRole('img', { name: /^Score map of \w+ over .*: 4 rows of 6 positions/ });
    await map.waitFor();
    const opacity = page.getByRole('slider', { name: /Opacity/ });
    await opacity.fill('0');
    const plain = await colorOf(map);
    await opacity.fill('1');
    const covered = await colorOf(map);
    assert.ok(Math.hypot(...covered.map((value, c) => value - plain[c]!)) > 20, `${plain} ${covered}`);
    // Viridis between a third and a half: blue-green, and never more red than green.
    assert.ok(covered[1] > covered[0], String(covered));
    await opacity.fill('0.6');

    await page.getByText('The map as a table').click();
    const table = page.getByRole('table', { name: /Probability of/ });
    assert.equal(await table.getByRole('row').count(), 1 + 4);
    const label = (await map.getAttribute('aria-label'))!;
    const most = /at most ([\d.]+)/.exec(label)![1]!;
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

  it('shows which crop of the grid says what', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose(await wide());
    await page.getByRole('radio', { name: 'Crops', exact: true }).check();
    const crops = page.getByRole('group', { name: /Crops, by their place/ }).getByRole('button');
    await crops.first().waitFor();
    assert.equal(await crops.count(), 25);
    await crops.nth(0).hover();
    await page.getByText('Crop in row 1, column 1').waitFor();
    await crops.nth(23).hover();
    await page.getByText('Crop in row 5, column 4').waitFor();
    const answer = page.getByRole('list', { name: 'Most probable classes of this crop' });
    const [best] = await textsOf(answer.getByRole('listitem'));
    assert.match((await crops.nth(23).getAttribute('title'))!.replace(/\s/g, ' '), new RegExp(best!));
    await page.locator('.stage').hover({ position: { x: 2, y: 2 } });
    await page.getByText('Crop in row 1, column 1').waitFor();
    await visit.picture(t, 'crops-light');
    await visit.close();
  });

  it('takes an image that is dropped or pasted', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await page.getByRole('button', { name: 'Choose an image' }).waitFor();
    const bytes = (await wide()).toString('base64');
    const carrying = (name: string) => `(() => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob('${bytes}'), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], '${name}', { type: 'image/jpeg' }));
      return data;
    })()`;
    const dropped = await page.evaluateHandle(carrying('dropped.jpg'));
    await page.dispatchEvent('main', 'drop', { dataTransfer: dropped });
    await page.getByText('dropped.jpg', { exact: true }).waitFor();
    await page.evaluate(
      `document.body.dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: ${carrying('pasted.jpg')}, bubbles: true }))`,
    );
    await page.getByText('pasted.jpg', { exact: true }).waitFor();
    await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
    await visit.close();
  });

  it('says in a sentence what is wrong with a file', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    await visit.choose(Buffer.from('no image'), 'letter.jpg');
    await visit.page.getByRole('alert').filter({ hasText: 'letter.jpg is no image' }).waitFor();
    await visit.choose(await wide());
    await visit.page.getByRole('list', { name: 'Dense: most probable classes' }).waitFor();
    assert.equal(await visit.page.getByRole('alert').count(), 0);
    await visit.close();
  });

  it("shows the server's reason when it refuses an image that the browser can show", async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const gif = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
    await visit.choose(gif, 'dot.gif', 'image/gif');
    const reason = visit.page.getByRole('alert').first();
    await reason.waitFor();
    assert.match((await textsOf(reason))[0]!, /^[A-Z].{15,}\.$/);
    await visit.close(/status of 4\d\d/);
  });

  it('follows the system into the dark, and the person beyond', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify', { colors: 'dark' });
    const { page } = visit;
    const background = 'parseFloat(getComputedStyle(document.documentElement).backgroundColor.slice(4))';
    const paper = (is: '< 50' | '> 90') =>
      until(() => page.evaluate(`${background} ${is}`), `a background ${is}`);
    await paper('< 50');
    await visit.choose(await wide());
    await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
    await visit.picture(t, 'classify-dark');
    await page.getByRole('button', { name: /^Colors: as the system/ }).click();
    await paper('> 90');
    await page.reload();
    await paper('> 90');
    await page.getByRole('button', { name: /^Colors: light/ }).click();
    await paper('< 50');
    await visit.close();
  });

  it('asks for the token where the server has one, and then goes on', async () => {
    await writeFiles(work.folder, { token: 'a-long-secret-of-this-test\n' });
    const flags = ['--model', work.path('run/last.safetensors'), '--token-file', work.path('token')];
    const locked = await serve(work, ...flags);
    try {
      const visit = await Visit.at(browser, locked.address, 'classify');
      const field = visit.page.getByLabel('Token');
      await field.fill('wrong');
      await field.press('Enter');
      await visit.page.getByRole('alert').waitFor();
      await field.fill('a-long-secret-of-this-test');
      await field.press('Enter');
      await visit.page.getByRole('button', { name: 'Choose an image' }).waitFor();
      await visit.choose(await wide());
      await visit.page.getByRole('list', { name: 'Dense: most probable classes' }).waitFor();
      await visit.close(/status of 401/);
    } finally {
      assert.equal(await locked.stop(), 0);
    }
  });
});
