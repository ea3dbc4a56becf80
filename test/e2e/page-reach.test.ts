/** Everything can be reached by everyone: by keyboard, with a screen reader, on a small screen. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jpeg } from '../support/images.ts';
import { noBrowser, PageFixture, textsOf, trainRun, until } from './page-browser.ts';
import { tabTo } from './page-keyboard.ts';

describe('the page: keyboard and small screens', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    const run = await trainRun(work, 'first');
    return ['--model', `${run}/last.safetensors`, '--runs', work.path('runs')];
  });

  it('is used by keyboard alone, from the image to the crops, the layers and the runs', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    const asked = page.waitForEvent('filechooser'); // now, since it takes the browser a moment to comply
    await tabTo(page, /Skip to content/);
    await page.keyboard.press('Enter');
    await tabTo(page, /Choose an image/); // the first thing in the content
    await page.keyboard.press('Enter');
    const image = { name: 'pattern.jpg', mimeType: 'image/jpeg', buffer: await jpeg(96, 64, 3) };
    await (await asked).setFiles(image);
    await visit.prediction();

    await tabTo(page, /^radio Occlusion/);
    await page.keyboard.press('ArrowLeft'); // to the last one
    await page.getByText('Crop at row 3, column 3').waitFor();
    await tabTo(page, /row 3, column 3/);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowLeft');
    await page.getByText('Crop at row 2, column 2').waitFor();

    await page.keyboard.press('Home');
    await page.getByRole('link', { name: 'Layers', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Architecture' }).waitFor();
    await tabTo(page, /conv3_1/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Output of conv3_1' }).waitFor();
    assert.equal(await page.getByRole('button', { name: /conv3_1/ }).getAttribute('aria-pressed'), 'true');
    await visit.channelMaps();
    assert.match(page.url(), /#\/layers\/conv3_1$/);

    await page.getByRole('link', { name: 'Runs' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Training runs', level: 1 }).waitFor();
    await tabTo(page, /^checkbox Show curves of first/);
    await tabTo(page, /^button first/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'first' }).waitFor();
    await visit.close();
  });

  it('names everything by landmarks, headings and labels', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose();
    await visit.prediction();
    assert.equal(await page.getByRole('banner').count(), 1);
    assert.equal(await page.getByRole('main').count(), 1);
    assert.equal(await page.getByRole('navigation', { name: 'Views' }).count(), 1);
    for (const view of ['Classify', 'Layers', 'Train', 'Runs', 'Weights', 'API'] as const) {
      await visit.open(view);
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
      const visit = await fixture.visit('classify', { colors });
      const check = async (view: string) => assert.deepEqual(await visit.violations(), [], view);
      await check('without an image');
      await visit.choose();
      await visit.prediction();
      await visit.page.getByRole('img', { name: /^Occlusion map of / }).waitFor();
      await check('occlusion map');
      await visit.showCrops();
      await check('crops');
      await visit.open('Layers');
      await visit.channelMaps();
      await check('layers');
      await visit.open('Runs');
      await visit.charts();
      await check('runs');
      await visit.open('Weights');
      await check('weights');
      await visit.open('API');
      await check('api');
      await visit.close();
    });
  }

  it('needs nothing that its Content-Security-Policy forbids, and nothing inline', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    const refused = () => page.evaluate('window.refused') as Promise<string[]>;
    await page.addInitScript(`window.refused = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        refused.push(effectiveDirective + ' ' + blockedURI);
      });`);
    await page.reload();
    await visit.choose();
    await visit.prediction();
    await visit.showCrops();
    await visit.open('Layers');
    await visit.channelMaps();
    await visit.open('Train');
    await page.getByRole('button', { name: 'Choose a folder' }).waitFor();
    await visit.open('Runs');
    await visit.charts();
    assert.deepEqual(await refused(), []);

    // A violation would be noticed.
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('style'), { textContent: 'body { color: red }' }))",
    );
    await until(async () => (await refused()).length > 0, 'an inline style to be refused');
    assert.deepEqual(await refused(), ['style-src-elem inline']);
    await visit.close(/inline style/);
  });

  it('draws the network as Table 1, and the filters and activations of its layers', async (t) => {
    const visit = await fixture.visit('inside'); // the address of this view in 0.1
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
    await visit.channelMaps();
    await page.getByRole('radio', { name: 'whole image' }).check();
    await page.getByText(/3 channels of 48 × 32|3 channels of 54 × 36/).waitFor();
    await visit.picture(t, 'layers-light');
    await page.getByRole('button', { name: /fc8/ }).click();
    await page.getByText('cat', { exact: true }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Output of conv1_1' }).waitFor();
    await visit.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await fixture.visit('classify', { width: 320, height: 700, colors });
      assert.equal(await visit.overflow(), 0, 'before an image is chosen');
      await visit.choose(await jpeg(96, 64, 3), `${'a-very-long-name-'.repeat(8)}.jpg`);
      await visit.prediction();
      assert.equal(await visit.overflow(), 0, 'score map');
      await visit.picture(t, `phone-classify-${colors}`);
      await visit.showCrops();
      assert.equal(await visit.overflow(), 0, 'crops');
      await visit.open('Layers');
      await visit.channelMaps();
      assert.equal(await visit.overflow(), 0, 'layers');
      await visit.picture(t, `phone-layers-${colors}`);
      await visit.open('Runs');
      await visit.charts();
      assert.equal(await visit.overflow(), 0, 'runs');
      await visit.picture(t, `phone-runs-${colors}`);
      await visit.close();
    });
  }
});
