import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { noBrowser, openBrowser, type Served, serve, textsOf, until, Visit } from './page-browser.ts';
import { tabTo } from './page-keyboard.ts';
import { Workplace } from './training-runs.ts';

describe('the page: Train here', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    for (const [c, name] of ['moss', 'ember'].entries()) {
      for (let i = 0; i < 16; i++) {
        const image = i % 2 === 0 ? await jpeg(50 + i, 40, 3 * c) : await png(44, 48 + i, 3 * c);
        await writeFiles(work.path('shades'), { [`${name}/${i}.${i % 2 === 0 ? 'jpg' : 'png'}`]: image });
      }
    }
    await writeFiles(work.path('spoilt'), {
      'moss/1.jpg': await jpeg(40, 40, 0),
      'moss/2.jpg': await jpeg(40, 40, 0),
      'ember/1.jpg': await jpeg(40, 40, 3),
      'ember/broken.jpg': 'no image',
    });
    await writeFiles(work.path('lonely'), { 'moss/1.png': await png(40, 40) });
    await mkdir(work.path('runs'));
    const demo = ['--demo-data', work.path('shades')];
    server = await serve(work, '--runs', work.path('runs'), ...demo);
    browser = await openBrowser({ gpu: true });
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  const choose = (page: Page, folder: string) =>
    page.getByLabel('Folder of images').setInputFiles(work.path(folder));

  async function set(page: Page, settings: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, value] of Object.entries(settings)) {
      const field = page.getByLabel(name);
      if ((await field.getAttribute('type')) === 'number') await field.fill(value);
      else await field.selectOption(value);
    }
  }

  /** Saves one of the models. */
  async function save(page: Page, which: 'best' | 'last'): Promise<string> {
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: `Save the ${which} model` }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), `shades-${which}.safetensors`);
    const path = work.path(`shades-${which}.safetensors`);
    await download.saveAs(path);
    return path;
  }

  /** Waits for the end of a training for as long as it goes on: how long that is depends on the machine. */
  const ended = (page: Page) =>
    until(
      () => page.getByText('Training has ended.').isVisible(),
      'the end of training',
      async () => (await page.getByRole('region', { name: 'Training' }).textContent()) ?? '',
    );

  const start = (page: Page) => page.getByRole('button', { name: /^Start/ }).click();

  it('learns from a folder of images, draws its curves, and hands out a model that the command line uses', async (t) => {
    const visit = await Visit.at(browser, server.address, 'train');
    const { page } = visit;
    assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled());
    await choose(page, 'shades');
    await page.getByText(/^shades: 32 images of 2 classes; a tenth is held out/).waitFor();
    assert.deepEqual(await textsOf(page.locator('.training-images li')), ['ember 16', 'moss 16']);
    const settings = { Width: '0.1', 'Images a step': '8', 'Learning rate': '0.01', 'Passes over': '12' };
    await set(page, settings);
    await start(page);
    await ended(page);
    await page.getByText(/^Ended after \d+ iterations: all passes were done\. Validation error/).waitFor();
    for (const name of ['Loss', 'top-1 error']) {
      const chart = page.getByRole('img', { name: new RegExp(`^${name}\\. shades: from `) });
      await chart.locator('svg').waitFor();
    }
    await page.getByText('The validations as a table').click();
    const rows = await textsOf(page.getByRole('table', { name: /^Validations/ }).getByRole('row'));
    const losses = rows.slice(1).map((row) => Number(row.split(' ')[2]));
    assert.ok(losses.length >= 10, String(rows));
    assert.ok(losses.at(-1)! < 0.6 * losses[0]!, String(losses));
    await visit.picture(t, 'train-light');

    const errors = rows.slice(1).map((row) => Number(row.split(' ')[3]));
    const best = rows[1 + errors.indexOf(Math.min(...errors))]!.split(' ')[1];
    await page.getByText(new RegExp(`; the best was .*, after iteration ${best}\\.$`)).waitFor();
    const [bestModel, lastModel] = [await save(page, 'best'), await save(page, 'last')];
    assert.notDeepEqual(await readFile(bestModel), await readFile(lastModel));
    for (const model of [bestModel, lastModel]) {
      const image = work.path('shades/moss/1.png');
      const { code, stdout, stderr } = await work.vgg('predict', image, '--model', model, '--json');
      assert.equal(code, 0, stderr);
      const [{ top }] = JSON.parse(stdout).images as [{ top: { index: number; label: string }[] }];
      assert.deepEqual(
        top.toSorted((a, b) => a.index - b.index).map(({ label }) => label),
        ['ember', 'moss'],
      );
      // The best one may be an early one, by the few images that were held out.
      if (model === lastModel) assert.equal(top[0]!.label, 'moss');
    }
    await visit.close();
  });

  it('goes on while another view is shown, and keeps what it has when it is stopped', async () => {
    const visit = await Visit.at(browser, server.address, 'train');
    const { page } = visit;
    await choose(page, 'photos');
    await page.getByText(/^photos: 24 images of 3 classes, and 12 for validation$/).waitFor();
    await set(page, { Width: '0.05', 'Images a step': '8', 'Passes over': '500' });
    await start(page);
    const progress = page.getByRole('progressbar', { name: 'Iterations that were done' });
    await progress.waitFor();
    assert.ok(await page.getByLabel('Learning rate').isDisabled());
    await page.getByRole('link', { name: 'Runs' }).click();
    await page.getByText('No training has been started').waitFor();
    await page.getByRole('link', { name: 'Train here' }).click();
    const before = Number(await progress.getAttribute('value'));
    await until(
      async () => Number(await progress.getAttribute('value')) > before + 3,
      'some more iterations',
    );
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/^Ended after \d+ iterations: it was stopped\./).waitFor();
    await page.getByRole('button', { name: 'Save the last model' }).waitFor();
    await page.getByRole('button', { name: 'Start again' }).waitFor();

    // What was learned is only here: whoever reloads the page or starts again is asked.
    const asksToStay = () =>
      page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))") as Promise<boolean>;
    assert.ok(await asksToStay());
    const asked = page.waitForEvent('dialog');
    const again = page.getByRole('button', { name: 'Start again' }).click();
    const dialog = await asked;
    assert.match(dialog.message(), /were not saved/);
    await dialog.dismiss();
    await again;
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the last model' }).click();
    await saved;
    await until(async () => !(await asksToStay()), 'nothing more to lose');
    await visit.close();
  });

  it('says in a sentence what is wrong with a folder, or with the recipe', async () => {
    const visit = await Visit.at(browser, server.address, 'train');
    const { page } = visit;
    await choose(page, 'lonely');
    await page
      .getByRole('alert')
      .filter({ hasText: 'Lonely has images of one class only: choose a' })
      .waitFor();
    assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled());
    await choose(page, 'shades');
    await page.getByText(/^shades: 32 images/).waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
    await visit.close();
  });

  it('leaves out images that the browser cannot decode, and names them', async () => {
    const visit = await Visit.at(browser, server.address, 'train');
    await choose(visit.page, 'spoilt');
    await set(visit.page, { Width: '0.05', 'Images a step': '8', 'Passes over': '1' });
    await start(visit.page);
    await visit.page
      .getByText('Left out, since the browser cannot decode it: spoilt/ember/broken.jpg.')
      .waitFor();
    await ended(visit.page);
    await visit.close();
  });

  it('trains on images that the server has', async () => {
    const visit = await Visit.at(browser, server.address, 'train');
    const { page } = visit;
    await page.getByRole('button', { name: 'Use some of shades instead' }).click();
    await page.getByText(/^shades: 32 images of 2 classes; a tenth is held out/).waitFor();
    await set(page, { Width: '0.05', 'Images a step': '8', 'Passes over': '2' });
    await start(page);
    await ended(page);
    await page.getByText(/^Ended after 7 iterations: all passes were done\./).waitFor();
    await visit.close();
  });

  it('is used by keyboard alone, from the images to the saved model', async () => {
    const visit = await Visit.at(browser, server.address, 'train');
    const { page } = visit;
    const { keyboard } = page;
    await page.getByRole('button', { name: 'Use some of shades instead' }).waitFor();
    await tabTo(page, /Use some of shades instead/);
    await keyboard.press('Enter');
    await page.getByText(/^shades: 32 images of 2 classes/).waitFor();
    const settings: [RegExp, string][] = [
      [/Width/, '0.05'],
      [/Images a step/, '8'],
      [/Passes over/, '400'],
    ];
    for (const [field, value] of settings) {
      await tabTo(page, field);
      await keyboard.press('Control+A');
      await keyboard.type(value);
    }
    await tabTo(page, /^submit Start|^button Start/);
    await keyboard.press('Enter');
    await page.getByRole('progressbar', { name: 'Iterations that were done' }).waitFor();
    await tabTo(page, /Stop/);
    await keyboard.press('Enter');
    await page.getByText(/^Ended after \d+ iterations: it was stopped\./).waitFor();
    const saved = page.waitForEvent('download');
    await tabTo(page, /Save the last model/);
    await keyboard.press('Enter');
    assert.equal((await saved).suggestedFilename(), 'shades-last.safetensors');
    await visit.close();
  });

  it('says so where there is no GPU', async () => {
    const without = await openBrowser();
    const visit = await Visit.at(without, server.address, 'train');
    await choose(visit.page, 'shades');
    await start(visit.page);
    await visit.page
      .getByRole('alert')
      .filter({ hasText: 'This browser finds no GPU that WebGPU can use.' })
      .waitFor();
    await visit.close();
    await without.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`has nothing that axe finds wrong, and fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await Visit.at(browser, server.address, 'train', { width: 320, height: 700, colors });
      const { page } = visit;
      const check = async (what: string) => {
        assert.deepEqual(await visit.violations(), [], what);
        assert.equal(await visit.overflow(), 0, what);
      };
      await page.getByRole('heading', { name: 'Train here' }).waitFor();
      await check('at first');
      await choose(page, 'shades');
      await page.getByText(/^shades: 32 images/).waitFor();
      await set(page, { Width: '0.05', 'Passes over': '2' });
      await page.getByRole('button', { name: 'Start' }).focus();
      await page.keyboard.press('Enter');
      await ended(page);
      await page.locator('.chart svg').first().waitFor();
      await check('at the end');
      await visit.picture(t, `phone-train-${colors}`);
      await visit.close();
    });
  }
});
