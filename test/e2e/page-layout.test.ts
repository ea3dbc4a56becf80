/** That each view is laid out well at every width: nothing is cut off, covered, or wider than the window. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { noBrowser, openBrowser, type Served, serve, Visit } from './page-browser.ts';
import { COLLISIONS, CUT_OFF } from './page-layout.ts';
import { QUICK, Workplace } from './training-runs.ts';

const WIDTHS = [1280, 768, 390, 360];

describe('the page: layout', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    // Names as long as people give them.
    for (const name of ['first', 'photographs-width-0.05-rate-0.001']) {
      const flags = ['--out', work.path('runs', name), ...QUICK, '--iterations', '6'];
      const { code, stderr } = await work.vgg('train', work.path('photos'), ...flags);
      assert.equal(code, 0, stderr);
    }
    const model = ['--model', work.path('runs/first/last.safetensors')];
    const demo = ['--demo-data', work.path('photos')];
    server = await serve(work, ...model, '--runs', work.path('runs'), ...demo);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  for (const width of WIDTHS) {
    it(`cuts nothing off, covers nothing and fits, ${width} pixels wide`, async (t) => {
      const visit = await Visit.at(browser, server.address, 'classify', { width, height: 800 });
      const { page } = visit;
      const check = async (what: string) => {
        await page.evaluate('scrollTo(0, 0)'); // what is scrolled passes below the header
        assert.equal(await visit.overflow(), 0, what);
        assert.deepEqual(await page.evaluate(CUT_OFF), [], `cut off: ${what}`);
        assert.deepEqual(await page.evaluate(COLLISIONS), [], `covered: ${what}`);
        await visit.picture(t, `${what.replaceAll(' ', '-')}-${width}`);
      };
      await page.getByRole('button', { name: 'Choose an image' }).waitFor();
      await check('classify at first');
      await visit.choose(await jpeg(300, 200, 3), 'a photograph with a rather long name of its own.jpg');
      await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
      await page.getByRole('img', { name: /^Score map of / }).waitFor();
      await check('score map');
      await page.getByRole('radio', { name: 'Crops', exact: true }).check();
      await page.getByText('Crop in row 3, column 3').waitFor();
      await check('crops');
      await page.getByRole('link', { name: 'Look inside' }).first().click();
      const maps = page.getByRole('button', { name: /^Map of channel \d+/ });
      await maps.first().waitFor();
      await check('filters and maps');
      await page.getByRole('button', { name: /^fc8/ }).click();
      await page.getByRole('list', { name: 'Channels of the largest values' }).waitFor();
      await check('values');
      await page.getByRole('link', { name: 'Train here' }).click();
      await page.getByRole('button', { name: /^Use some of/ }).click();
      await page.getByText(/^photos: 24 images/).waitFor();
      await check('train here');
      await page.getByRole('link', { name: 'Runs' }).click();
      await page.getByRole('checkbox', { name: 'Draw the curves of first' }).check();
      await page.locator('.charts figure:nth-child(3) svg').waitFor();
      await page.locator('.tables table').first().waitFor();
      await page.getByText('The recipe', { exact: true }).click();
      await check('runs');
      await visit.close();
    });
  }

  it('is noticed where it is not: what is cut, and a text on another', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await page.getByRole('button', { name: 'Choose an image' }).waitFor();
    await page.evaluate(`for (const style of ['overflow: auto; max-height: 20px', 'margin-top: -12px']) {
      const one = document.createElement('p');
      one.style.cssText = style;
      one.className = 'added';
      for (const word of ['one', 'two', 'three']) {
        one.append(word, document.createElement('br'));
      }
      document.querySelector('main').append(one);
    }`);
    assert.deepEqual(await page.evaluate(CUT_OFF), ['p.added']);
    assert.ok(((await page.evaluate(COLLISIONS)) as string[]).length > 0);
    await visit.close();
  });
});
