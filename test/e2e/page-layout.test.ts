/** The layout of each view at every width: nothing is cut off, covered, or wider than the window. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jpeg } from '../support/images.ts';
import { noBrowser, PageFixture, trainRun } from './page-browser.ts';
import { COLLISIONS, CUT_OFF } from './page-layout.ts';

const WIDTHS = [1280, 768, 390, 360];

describe('the page: layout', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    const run = await trainRun(work, 'first');
    await trainRun(work, 'photographs-width-0.05-rate-0.001'); // names as long as people give them
    const model = ['--model', `${run}/last.safetensors`];
    return [...model, '--runs', work.path('runs'), '--demo-data', work.path('photos')];
  });

  for (const width of WIDTHS) {
    it(`cuts nothing off, covers nothing and fits, ${width} pixels wide`, async (t) => {
      const visit = await fixture.visit('classify', { width, height: 800 });
      const { page } = visit;
      const check = async (what: string) => {
        await page.evaluate('scrollTo(0, 0)'); // what is scrolled passes below the header
        assert.equal(await visit.overflow(), 0, what);
        assert.deepEqual(await page.evaluate(CUT_OFF), [], `cut off: ${what}`);
        assert.deepEqual(await page.evaluate(COLLISIONS), [], `covered: ${what}`);
        await visit.picture(t, `${what.replaceAll(' ', '-')}-${width}`);
      };
      await check('classify at first');
      await visit.choose(await jpeg(300, 200, 3), 'a photograph with a rather long name of its own.jpg');
      await visit.prediction();
      await page.getByRole('img', { name: /^Occlusion map of / }).waitFor();
      await check('prediction');
      await visit.prediction('Center crop');
      await visit.showScoreMap();
      await check('score map');
      await visit.showCrops();
      await check('crops');
      await visit.open('Layers');
      await visit.channelMaps();
      await check('filters and maps');
      await page.getByRole('button', { name: /^fc8/ }).click();
      await page.getByRole('list', { name: 'Channels with the largest values' }).waitFor();
      await check('values');
      await visit.open('Train');
      await page.getByRole('button', { name: /^Try with/ }).click();
      await page.getByText(/^photos: 24 images/).waitFor();
      await check('train');
      await visit.open('Runs');
      await page.getByRole('checkbox', { name: 'Show curves of first' }).check();
      await page.locator('.charts figure:nth-child(3) svg').waitFor();
      await page.locator('.tables table').first().waitFor();
      await page.getByText('Recipe', { exact: true }).click();
      await check('runs');
      await visit.open('Weights');
      await check('weights');
      await visit.open('API');
      await page.getByRole('radio', { name: 'Python' }).check();
      await check('api');
      await visit.close();
    });
  }

  it('notices what is cut off, and texts that cover each other', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
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
