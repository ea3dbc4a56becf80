/** That everybody reaches everything: with a keyboard, on a small screen. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { noBrowser, openBrowser, type Served, serve, textsOf, until, Visit } from './page-browser.ts';
import { tabTo } from './page-keyboard.ts';
import { QUICK, Workplace } from './training-runs.ts';

describe('the page: keyboard and small screens', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    const run = work.path('runs', 'first');
    const flags = [...QUICK, '--iterations', '6'];
    const { code, stderr } = await work.vgg('train', work.path('photos'), '--out', run, ...flags);
    assert.equal(code, 0, stderr);
    server = await serve(work, '--model', `${run}/last.safetensors`, '--runs', work.path('runs'));
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  it('is used by keyboard alone, from the image to the crops, the layers and the runs', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    const asked = page.waitForEvent('filechooser'); // now, since it takes the browser a moment to comply
    await page.getByRole('button', { name: 'Choose an image' }).waitFor();
    await tabTo(page, /Skip to the content/);
    await page.keyboard.press('Enter');
    await tabTo(page, /Choose an image/); // the first thing in the content
    await page.keyboard.press('Enter');
    const image = { name: 'pattern.jpg', mimeType: 'image/jpeg', buffer: await jpeg(96, 64, 3) };
    await (await asked).setFiles(image);
    await page.getByRole('list', { name: 'Dense: most probable classes' }).waitFor();

    await tabTo(page, /^radio Score map/);
    await page.keyboard.press('ArrowRight');
    await page.getByText('Crop in row 3, column 3').waitFor();
    await tabTo(page, /row 3, column 3/);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowLeft');
    await page.getByText('Crop in row 2, column 2').waitFor();

    await page.keyboard.press('Home');
    await page.getByRole('link', { name: 'Look inside' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'The network' }).waitFor();
    await tabTo(page, /conv3_1/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'What conv3_1 makes of it' }).waitFor();
    assert.equal(await page.getByRole('button', { name: /conv3_1/ }).getAttribute('aria-pressed'), 'true');
    await page
      .getByRole('button', { name: /^Map of channel \d+/ })
      .first()
      .waitFor();
    assert.match(page.url(), /#\/inside\/conv3_1$/);

    await page.getByRole('link', { name: 'Runs' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
    await tabTo(page, /^checkbox Draw the curves of first/);
    await tabTo(page, /^button first/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'first' }).waitFor();
    await visit.close();
  });

  it('tells by landmarks, headings and names what is where', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose();
    await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
    assert.equal(await page.getByRole('banner').count(), 1);
    assert.equal(await page.getByRole('main').count(), 1);
    assert.equal(await page.getByRole('navigation', { name: 'Views' }).count(), 1);
    for (const view of ['Classify', 'Look inside', 'Train here', 'Runs']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.locator('nav [aria-current="page"]', { hasText: new RegExp(`^${view}$`) }).waitFor();
      await page.getByRole('heading', { level: 1 }).waitFor();
      const unnamed = await page.evaluate(`[...document.querySelectorAll('button, a, input, select, canvas')]
        .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length || one.title))
        .map((one) => one.outerHTML)`);
      assert.deepEqual(unnamed, [], view);
      const twice = await page.evaluate(`[...document.querySelectorAll('[id]')].map(({ id }) => id)
        .filter((id, i, all) => all.indexOf(id) !== i)`);
      assert.deepEqual(twice, [], view);
    }
    await visit.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`has nothing that axe finds wrong, in ${colors} colors`, async () => {
      const visit = await Visit.at(browser, server.address, 'classify', { colors });
      const { page } = visit;
      const check = async (view: string) => assert.deepEqual(await visit.violations(), [], view);
      await page.getByRole('button', { name: 'Choose an image' }).waitFor();
      await check('without an image');
      await visit.choose();
      await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
      await check('score map');
      await page.getByRole('radio', { name: 'Crops', exact: true }).check();
      await page.getByText('Crop in row 3, column 3').waitFor();
      await check('crops');
      await page.getByRole('link', { name: 'Look inside' }).click();
      await page
        .getByRole('button', { name: /^Map of channel \d+/ })
        .first()
        .waitFor();
      await check('inside');
      await page.getByRole('link', { name: 'Runs' }).click();
      await page.locator('.chart svg').first().waitFor();
      await check('runs');
      await visit.close();
    });
  }

  it('needs nothing that its Content-Security-Policy forbids, and nothing inline', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    const refused = () => page.evaluate('window.refused') as Promise<string[]>;
    await page.addInitScript(`window.refused = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        refused.push(effectiveDirective + ' ' + blockedURI);
      });`);
    await page.reload();
    await visit.choose();
    await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
    await page.getByRole('radio', { name: 'Crops', exact: true }).check();
    await page.getByText('Crop in row 3, column 3').waitFor();
    await page.getByRole('link', { name: 'Look inside' }).click();
    await page
      .getByRole('button', { name: /^Map of channel \d+/ })
      .first()
      .waitFor();
    await page.getByRole('link', { name: 'Train here' }).click();
    await page.getByRole('button', { name: 'Choose a folder' }).waitFor();
    await page.getByRole('link', { name: 'Runs' }).click();
    await page.locator('.chart svg').first().waitFor();
    assert.deepEqual(await refused(), []);

    // What would be noticed.
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('style'), { textContent: 'body { color: red }' }))",
    );
    await until(async () => (await refused()).length > 0, 'an inline style to be refused');
    assert.deepEqual(await refused(), ['style-src-elem inline']);
    await visit.close(/inline style/);
  });

  it('draws the network as Table 1, and the filters and activations of its layers', async (t) => {
    const visit = await Visit.at(browser, server.address, 'inside');
    const { page } = visit;
    const row = page.getByRole('row', { name: /conv1_1/ });
    await row.waitFor();
    const [first] = await textsOf(row);
    // A twentieth of 64 channels; 3 × 3 × 3 weights and a bias each.
    assert.match(first!, /conv1_1 conv3-3 .*3 × 32 × 32 .*84 .*3$/);
    const filters = page.getByRole('img', { name: /^Filter \d+$/ });
    await filters.first().waitFor();
    assert.equal(await filters.count(), 3);
    await visit.choose();
    await page
      .getByRole('button', { name: /^Map of channel \d+/ })
      .first()
      .waitFor();
    await page.getByRole('radio', { name: 'whole image' }).check();
    await page.getByText(/3 channels of 48 × 32|3 channels of 54 × 36/).waitFor();
    await visit.picture(t, 'inside-light');
    await page.getByRole('button', { name: /fc8/ }).click();
    await page.getByText('cat', { exact: true }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'What conv1_1 makes of it' }).waitFor();
    await visit.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await Visit.at(browser, server.address, 'classify', { width: 320, height: 700, colors });
      const { page } = visit;
      await page.getByRole('button', { name: 'Choose an image' }).waitFor();
      assert.equal(await visit.overflow(), 0, 'before an image is chosen');
      await visit.choose(await jpeg(96, 64, 3), `${'a-very-long-name-'.repeat(8)}.jpg`);
      await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
      assert.equal(await visit.overflow(), 0, 'score map');
      await visit.picture(t, `phone-classify-${colors}`);
      await page.getByRole('radio', { name: 'Crops', exact: true }).check();
      await page.getByText('Crop in row 3, column 3').waitFor();
      assert.equal(await visit.overflow(), 0, 'crops');
      await page.getByRole('link', { name: 'Look inside' }).click();
      await page
        .getByRole('button', { name: /^Map of channel \d+/ })
        .first()
        .waitFor();
      assert.equal(await visit.overflow(), 0, 'inside');
      await visit.picture(t, `phone-inside-${colors}`);
      await page.getByRole('link', { name: 'Runs' }).click();
      await page.locator('.chart svg').first().waitFor();
      assert.equal(await visit.overflow(), 0, 'runs');
      await visit.picture(t, `phone-runs-${colors}`);
      await visit.close();
    });
  }
});
