import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { noBrowser, openBrowser, PageFixture, textsOf, until, Visit, vggOutput } from './page-browser.ts';
import { tabTo } from './page-keyboard.ts';

describe('the page: train', { skip: noBrowser }, () => {
  const fixture = new PageFixture(
    async (work) => {
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
      return ['--runs', work.path('runs'), '--demo-data', work.path('shades')];
    },
    { gpu: true },
  );
  const { work } = fixture;

  const choose = (page: Page, folder: string) =>
    page.getByLabel('Image folder').setInputFiles(work.path(folder));

  async function set(page: Page, settings: Readonly<Record<string, string>>): Promise<void> {
    await page
      .locator('details:not([open]) > summary', { hasText: 'Advanced settings' })
      .click({ timeout: 1000 })
      .catch(() => {});
    for (const [name, value] of Object.entries(settings)) {
      const field = page.getByLabel(name);
      if ((await field.getAttribute('type')) === 'number') await field.fill(value);
      else await field.selectOption(value);
    }
  }

  /** Saves one of the models. */
  async function save(page: Page, which: 'best' | 'last'): Promise<string> {
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: `Save ${which} model` }).click();
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

  it('learns from a folder of images, draws its curves, and saves models that the command line reads', async (t) => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled());
    await choose(page, 'shades');
    await page.getByText(/^shades: 32 images in 2 classes; a tenth is held out/).waitFor();
    assert.deepEqual(await textsOf(page.locator('.class-previews li')), ['ember 16', 'moss 16']);
    const settings = { Width: '0.1', 'Batch size': '8', 'Learning rate': '0.01', Epochs: '12' };
    await set(page, settings);
    await start(page);
    await ended(page);
    await page.getByText(/^Ended after \d+ iterations: all epochs completed\. Validation error/).waitFor();
    for (const name of ['Loss', 'Top-1 error']) {
      const chart = page.getByRole('img', { name: new RegExp(`^${name}\\. shades: from `) });
      await chart.locator('svg').waitFor();
    }
    await page.getByText('Show as table').click();
    const rows = await textsOf(page.getByRole('table', { name: /^Validation results/ }).getByRole('row'));
    const losses = rows.slice(1).map((row) => Number(row.split(' ')[2]));
    assert.ok(losses.length >= 10, String(rows));
    assert.ok(losses.at(-1)! < 0.6 * losses[0]!, String(losses));
    await visit.picture(t, 'train-light');

    const errors = rows.slice(1).map((row) => Number(row.split(' ')[3]));
    const best = rows[1 + errors.indexOf(Math.min(...errors))]!.split(' ')[1];
    await page.getByText(new RegExp(`; the lowest was .* at iteration ${best}\\.$`)).waitFor();
    const [bestModel, lastModel] = [await save(page, 'best'), await save(page, 'last')];
    assert.notDeepEqual(await readFile(bestModel), await readFile(lastModel));
    for (const model of [bestModel, lastModel]) {
      const image = work.path('shades/moss/1.png');
      const [{ top }] = JSON.parse(await vggOutput(work, 'predict', image, '--model', model, '--json'))
        .images as [{ top: { index: number; label: string }[] }];
      assert.deepEqual(
        top.toSorted((a, b) => a.index - b.index).map(({ label }) => label),
        ['ember', 'moss'],
      );
      // The best one may be an early one, by the few images that were held out.
      if (model === lastModel) assert.equal(top[0]!.label, 'moss');
    }
    await visit.close();
  });

  it('continues while another view is shown, and keeps the model so far when it is stopped', async () => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    await choose(page, 'photos');
    await page.getByText(/^photos: 24 images in 3 classes, plus 12 for validation$/).waitFor();
    await set(page, { Width: '0.05', 'Batch size': '8', Epochs: '500' });
    await start(page);
    const progress = page.getByRole('progressbar', { name: 'Iterations completed' });
    await progress.waitFor();
    assert.ok(await page.getByLabel('Learning rate').isDisabled());
    await visit.open('Runs');
    await page.getByText('There are no training runs').waitFor();
    await visit.open('Train');
    const before = Number(await progress.getAttribute('value'));
    await until(
      async () => Number(await progress.getAttribute('value')) > before + 3,
      'some more iterations',
    );
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/^Ended after \d+ iterations: stopped early\./).waitFor();
    await page.getByRole('button', { name: 'Save last model' }).waitFor();
    await page.getByRole('button', { name: 'Start again' }).waitFor();

    // What was learned is only here: whoever reloads the page or starts again is asked.
    const asksToStay = () =>
      page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))") as Promise<boolean>;
    assert.ok(await asksToStay());
    const asked = page.waitForEvent('dialog');
    const again = page.getByRole('button', { name: 'Start again' }).click();
    const dialog = await asked;
    assert.match(dialog.message(), /have not been saved/);
    await dialog.dismiss();
    await again;
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save last model' }).click();
    await saved;
    await until(async () => !(await asksToStay()), 'nothing more to lose');
    await visit.close();
  });

  it('reports in a sentence what is wrong with a folder', async () => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    await choose(page, 'lonely');
    await visit.alert('The folder "lonely" has images of one class only: choose a');
    assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled());
    await choose(page, 'shades');
    await page.getByText(/^shades: 32 images/).waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
    await visit.close();
  });

  it('skips images that the browser cannot decode, and names them', async () => {
    const visit = await fixture.visit('train');
    await choose(visit.page, 'spoilt');
    await set(visit.page, { Width: '0.05', 'Batch size': '8', Epochs: '1' });
    await start(visit.page);
    await visit.page
      .getByText('Skipped because the browser cannot decode it: spoilt/ember/broken.jpg.')
      .waitFor();
    await ended(visit.page);
    await visit.close();
  });

  it('trains on the demo images of the server', async () => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    await page.getByRole('button', { name: 'Try with shades' }).click();
    await page.getByText(/^shades: 32 images in 2 classes; a tenth is held out/).waitFor();
    await set(page, { Width: '0.05', 'Batch size': '8', Epochs: '2' });
    await start(page);
    await ended(page);
    await page.getByText(/^Ended after 7 iterations: all epochs completed\./).waitFor();
    await visit.close();
  });

  it('says before anything is started what will train', async () => {
    const visit = await fixture.visit('train');
    await visit.page
      .getByText(/^WebGPU works here, but without a GPU \(.*swiftshader.*\): training is slow\.$/i)
      .waitFor();
    await visit.close();
  });

  it('takes photos with the camera, trains on them, and classifies an image at the end', async (t) => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    await page.context().grantPermissions(['camera']);
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.getByLabel('Camera').waitFor();
    await page.getByLabel('Name of class 1').fill('mug');
    await page.getByLabel('Name of class 2').fill('pen');
    const use = page.getByRole('button', { name: 'Use these photos' });
    for (const place of [0, 1]) {
      assert.ok(await use.isDisabled());
      const row = page.locator('.camera li').nth(place);
      await row.getByRole('button').click();
      await row.getByText('10 photos', { exact: true }).waitFor();
      await until(() => row.getByRole('button').isEnabled(), 'the burst to end');
    }
    assert.deepEqual(await visit.violations(), []);
    await use.click();
    await page.getByText(/^camera: 20 images in 2 classes; a tenth is held out/).waitFor();
    assert.equal(await page.getByRole('img', { name: /^Image \d of (mug|pen)$/ }).count(), 8);
    await set(page, { Width: '0.05', 'Batch size': '8', Epochs: '1' });
    await start(page);
    await ended(page);
    await visit.choose(await jpeg(60, 44, 3), 'desk.jpg');
    const list = page.getByRole('list', { name: 'Prediction of the trained model' });
    await list.waitFor();
    const names = (await textsOf(list.getByRole('listitem'))).map((text) => text.split(' ')[0]!);
    assert.deepEqual(names.toSorted(), ['mug', 'pen']);
    assert.deepEqual(await visit.violations(), []);
    await visit.picture(t, 'train-camera-light');
    await visit.close();
  });

  it('is used by keyboard alone, from the images to the saved model', async () => {
    const visit = await fixture.visit('train');
    const { page } = visit;
    const { keyboard } = page;
    await page.getByRole('button', { name: 'Try with shades' }).waitFor();
    await tabTo(page, /Try with shades/);
    await keyboard.press('Enter');
    await page.getByText(/^shades: 32 images in 2 classes/).waitFor();
    await tabTo(page, /Advanced settings/);
    await keyboard.press('Enter');
    await page.getByLabel('Epochs').focus();
    await keyboard.press('Shift+Tab');
    const settings: [RegExp, string][] = [
      [/Epochs/, '400'],
      [/Width/, '0.05'],
      [/Batch size/, '8'],
    ];
    for (const [field, value] of settings) {
      await tabTo(page, field);
      await keyboard.press('Control+A');
      await keyboard.type(value);
    }
    await tabTo(page, /^submit Start|^button Start/);
    await keyboard.press('Enter');
    await page.getByRole('progressbar', { name: 'Iterations completed' }).waitFor();
    await tabTo(page, /Stop/);
    await keyboard.press('Enter');
    await page.getByText(/^Ended after \d+ iterations: stopped early\./).waitFor();
    const saved = page.waitForEvent('download');
    await tabTo(page, /Save last model/);
    await keyboard.press('Enter');
    assert.equal((await saved).suggestedFilename(), 'shades-last.safetensors');
    await visit.close();
  });

  it('trains on the CPU where there is no GPU', async () => {
    const without = await openBrowser();
    const visit = await Visit.at(without, fixture.server.address, 'train');
    const { page } = visit;
    await choose(page, 'shades');
    await set(page, { Width: '0.1', 'Batch size': '8', Epochs: '3' });
    await start(page);
    await page.getByText(/^Training on WebAssembly with .*SIMD, \d+ threads?\.$/).waitFor();
    await ended(page);
    const file = await save(page, 'last');
    const image = work.path('shades/moss/1.png');
    await vggOutput(work, 'predict', image, '--model', file, '--json');
    await visit.close();
    await without.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`has nothing that axe finds wrong, and fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await fixture.visit('train', { width: 320, height: 700, colors });
      const { page } = visit;
      const check = async (what: string) => {
        assert.deepEqual(await visit.violations(), [], what);
        assert.equal(await visit.overflow(), 0, what);
      };
      await check('at first');
      await choose(page, 'shades');
      await page.getByText(/^shades: 32 images/).waitFor();
      await set(page, { Width: '0.05', Epochs: '2' });
      await page.getByRole('button', { name: 'Start' }).focus();
      await page.keyboard.press('Enter');
      await ended(page);
      await visit.charts();
      await check('at the end');
      await visit.picture(t, `phone-train-${colors}`);
      await visit.close();
    });
  }
});
