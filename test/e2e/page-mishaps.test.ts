/** Mistakes of people and failures around the page: each gives one sentence, and nothing is lost that can be kept. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { initModel, noBrowser, PageFixture, serve, textsOf, until } from './page-browser.ts';

describe('the page: mishaps', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    const models = [await initModel(work, 'm1', '--seed', '1'), await initModel(work, 'm2', '--seed', '2')];
    return [...models.flatMap((model) => ['--model', model]), '--max-pixels', '100000'];
  });

  const alerts = (page: Page) => textsOf(page.getByRole('alert'));

  it('reports what is wrong with a text, a broken image and a large one, and keeps the previous image', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose(await jpeg(96, 64, 3), 'good.jpg');
    await visit.prediction();
    await visit.drop('some text', 'letter.txt', 'text/plain');
    await page.getByText('The file "letter.txt" is not an image this browser can read').waitFor();
    assert.equal((await alerts(page)).length, 1);
    await page.getByText('good.jpg', { exact: true }).waitFor();
    assert.ok(await page.getByRole('list', { name: 'Most probable classes' }).isVisible());

    // Pasting nothing is not an error.
    await page.evaluate("document.body.dispatchEvent(new ClipboardEvent('paste', { bubbles: true }))");
    const whole = await jpeg(300, 200, 3);
    await visit.choose(whole.subarray(0, 400), 'cut.jpg');
    await visit.alert(/[Cc]ut\.jpg|image/);
    for (const text of await alerts(page)) assert.match(text, /^[A-Z].*\.$/);

    await visit.choose(await jpeg(500, 400, 3), 'large.jpg');
    await visit.alert(/100,?000/);
    await visit.choose(await jpeg(96, 64, 3), 'good again.jpg');
    await visit.prediction();
    assert.deepEqual(await alerts(page), []);
    await visit.close(/status of 4\d\d/);
  });

  it('stays open when a file is dropped on a view that takes none', async () => {
    const visit = await fixture.visit('runs');
    const { page } = visit;
    const isTaken = await page.evaluate(
      "!document.body.dispatchEvent(new Event('drop', { bubbles: true, cancelable: true }))",
    );
    assert.ok(isTaken, 'the browser would open the file in place of the page');
    await visit.close();
  });

  it('reports once that the server is gone, and continues with the same image when it is back', async () => {
    const port = String(new URL(fixture.server.address).port);
    const visit = await fixture.visit('classify');
    const { page } = visit;
    assert.equal(await fixture.server.stop(), 0);
    await visit.choose(await jpeg(96, 64, 3), 'kept.jpg');
    const gone = page.getByRole('alert').filter({ hasText: 'The server is not responding' });
    await until(async () => (await gone.count()) === 1, 'a sentence');
    fixture.server = await serve(fixture.work, ...fixture.flags, '--port', port);
    const panel = page.getByRole('region', { name: 'Prediction' });
    await panel.getByRole('button', { name: 'Try again' }).click();
    await visit.prediction();
    await page.getByRole('img', { name: /^Occlusion map of .* over kept\.jpg/ }).waitFor();
    assert.equal(await gone.count(), 0);
    await visit.close(/ERR_CONNECTION_REFUSED/);
  });

  it('shows the prediction of one model, or the mean of all', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose();
    await visit.prediction();
    const best = page.locator('.best-class');
    const [one] = await textsOf(best);
    assert.doesNotMatch(one!, /mean/);
    await page.getByRole('radio', { name: 'mean of all 2 models' }).check();
    await page.getByText(/, mean of m1, m2:/).waitFor();
    await visit.prediction();
    const [mean] = await textsOf(best);
    assert.notEqual(mean, one);
    await visit.picture(t, 'classify-mean-light');
    await page.getByRole('radio', { name: 'm1', exact: true }).check();
    await until(async () => (await textsOf(best))[0] === one, 'the model alone');
    await visit.close();
  });
});
