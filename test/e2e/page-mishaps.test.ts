/** What people do by mistake, and what goes wrong around the page: one sentence, and nothing lost that can be kept. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { noBrowser, openBrowser, type Served, serve, textsOf, until, Visit } from './page-browser.ts';
import { Workplace } from './training-runs.ts';

describe('the page: mishaps', { skip: noBrowser }, () => {
  const work = new Workplace();
  let flags: string[];
  let server: Served;
  let browser: Browser;

  before(async () => {
    const small = ['--config', 'A', '--crop', '32', '--width', '0.05', '--classes', '3'];
    for (const seed of ['1', '2']) {
      const out = ['--out', work.path(`m${seed}.safetensors`)];
      const { code, stderr } = await work.vgg('init', ...small, '--seed', seed, ...out);
      assert.equal(code, 0, stderr);
    }
    flags = ['1', '2'].flatMap((seed) => ['--model', work.path(`m${seed}.safetensors`)]);
    server = await serve(work, ...flags, '--max-pixels', '100000');
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  const alerts = (page: Page) => textsOf(page.getByRole('alert'));
  const answered = (page: Page) =>
    page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();

  /** Lets go of a file over the page. */
  async function drop(page: Page, name: string, type: string): Promise<void> {
    const carried = await page.evaluateHandle(`(() => {
      const data = new DataTransfer();
      data.items.add(new File(['some text'], '${name}', { type: '${type}' }));
      return data;
    })()`);
    await page.dispatchEvent('main', 'drop', { dataTransfer: carried });
  }

  it('says what is wrong with a text, a broken image and a large one, and keeps the one before', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose(await jpeg(96, 64, 3), 'good.jpg');
    await answered(page);
    await drop(page, 'letter.txt', 'text/plain');
    await page.getByText('Letter.txt is no image that this browser can read').waitFor();
    assert.equal((await alerts(page)).length, 1);
    await page.getByText('good.jpg', { exact: true }).waitFor();
    assert.ok(await page.getByRole('list', { name: 'Dense: most probable classes' }).isVisible());

    // Nothing to paste is no mistake.
    await page.evaluate("document.body.dispatchEvent(new ClipboardEvent('paste', { bubbles: true }))");
    const whole = await jpeg(300, 200, 3);
    await visit.choose(whole.subarray(0, 400), 'cut.jpg');
    await page
      .getByRole('alert')
      .filter({ hasText: /[Cc]ut\.jpg|image/ })
      .first()
      .waitFor();
    for (const text of await alerts(page)) assert.match(text, /^[A-Z].*\.$/);

    await visit.choose(await jpeg(500, 400, 3), 'large.jpg');
    await page
      .getByRole('alert')
      .filter({ hasText: /100,?000/ })
      .first()
      .waitFor();
    await visit.choose(await jpeg(96, 64, 3), 'good again.jpg');
    await answered(page);
    assert.deepEqual(await alerts(page), []);
    await visit.close(/status of 4\d\d/);
  });

  it('stays where it is when a file is dropped on a view that takes none', async () => {
    const visit = await Visit.at(browser, server.address, 'runs');
    const { page } = visit;
    await page.getByRole('heading', { level: 1, name: 'Runs' }).waitFor();
    const isTaken = await page.evaluate(
      "!document.body.dispatchEvent(new Event('drop', { bubbles: true, cancelable: true }))",
    );
    assert.ok(isTaken, 'the browser would open the file in place of the page');
    await visit.close();
  });

  it('says once in a panel that the server is gone, and goes on with the same image when it is back', async () => {
    const port = String(new URL(server.address).port);
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await page.getByRole('button', { name: 'Choose an image' }).waitFor();
    assert.equal(await server.stop(), 0);
    await visit.choose(await jpeg(96, 64, 3), 'kept.jpg');
    const gone = page.getByRole('alert').filter({ hasText: 'The server does not answer' });
    await until(async () => (await gone.count()) === 2, 'a sentence in each panel');
    server = await serve(work, ...flags, '--max-pixels', '100000', '--port', port);
    const panel = page.getByRole('region', { name: 'What it says' });
    await panel.getByRole('button', { name: 'Try again' }).click();
    await answered(page);
    await page
      .getByRole('region', { name: 'Where it looks' })
      .getByRole('button', { name: 'Try again' })
      .click();
    await page.getByRole('img', { name: /^Score map of .* over kept\.jpg/ }).waitFor();
    assert.equal(await gone.count(), 0);
    await visit.close(/ERR_CONNECTION_REFUSED/);
  });

  it('tells one model from the mean of all', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose();
    await answered(page);
    const verdict = page.locator('.verdict');
    const [one] = await textsOf(verdict);
    assert.doesNotMatch(one!, /mean/);
    await page.getByRole('radio', { name: 'the mean of all 2 models' }).check();
    await verdict.getByText('the mean of m1, m2', { exact: true }).waitFor();
    await answered(page);
    const [mean] = await textsOf(verdict);
    assert.notEqual(mean, one);
    await visit.picture(t, 'classify-mean-light');
    await page.getByRole('radio', { name: 'm1', exact: true }).check();
    await until(async () => (await textsOf(verdict))[0] === one, 'the model alone');
    await visit.close();
  });
});
