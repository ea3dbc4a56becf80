import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { exitOf, noBrowser, openBrowser, type Served, serve, textsOf, until, Visit } from './page-browser.ts';
import { QUICK, Workplace } from './training-runs.ts';

/** A line of a chart, as Observable Plot draws it. */
const LINE = 'g[aria-label="line"] path';

describe('the page: runs', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;
  const train = (name: string, ...flags: string[]) =>
    ['train', work.path('photos'), '--out', work.path('runs', name), ...QUICK, ...flags] as const;

  before(async () => {
    const { code, stderr } = await work.vgg(...train('first', '--iterations', '12'));
    assert.equal(code, 0, stderr);
    server = await serve(
      work,
      '--model',
      work.path('runs/first/last.safetensors'),
      '--runs',
      work.path('runs'),
    );
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  it('draws the curves of a training while it runs, and sees it stop', async (t) => {
    const visit = await Visit.at(browser, server.address, 'runs');
    const { page } = visit;
    await page.getByRole('button', { name: 'first' }).waitFor();
    const training = work.start(...train('second', '--iterations', '100000', '--patience', '100000'));
    const ended = exitOf(training);
    try {
      // It appears by itself, and is chosen by hand.
      await page.getByRole('button', { name: 'second' }).click();
      await page.getByText('live', { exact: true }).waitFor();
      const loss = page.getByRole('img', { name: /^Loss\. / });
      const iteration = async () => {
        const [key] = await textsOf(page.locator('.key li').filter({ hasText: 'second' }));
        return Number(/at iteration ([\d,]+)/.exec(key ?? '')?.[1]?.replace(',', '') ?? 0);
      };
      const path = () => loss.locator(LINE).first().getAttribute('d');
      await loss.locator('svg').waitFor();
      const [before, drawn] = [await iteration(), await path()];
      await until(async () => (await iteration()) > before + 5, 'five more iterations');
      assert.notEqual(await path(), drawn, 'the curve has grown');
      assert.match((await loss.getAttribute('aria-label'))!, /second: from [\d.]+ nats to [\d.]+ nats/);
      assert.equal(
        await page
          .getByRole('img', { name: /^top-1 error\. / })
          .locator('svg')
          .count(),
        1,
      );
      assert.equal(
        await page
          .getByRole('img', { name: /^Learning rate\. / })
          .locator('svg')
          .count(),
        1,
      );
      await visit.picture(t, 'runs-live-light');
    } finally {
      training.kill('SIGINT');
      await ended;
    }
    await page
      .getByRole('row', { name: /second/ })
      .getByText('stopped')
      .waitFor();
    await page.getByText('live', { exact: true }).waitFor({ state: 'detached' });
    await visit.close();
  });

  it('compares runs, by an address that can be kept', async (t) => {
    const { code, stderr } = await work.vgg(...train('third', '--iterations', '8', '--lr', '0.001'));
    assert.equal(code, 0, stderr);
    const visit = await Visit.at(browser, server.address, 'runs/first', { colors: 'dark' });
    const { page } = visit;
    await page.getByRole('checkbox', { name: 'Draw the curves of third' }).check();
    await page.getByRole('img', { name: /^Loss\. .*first: .*third: |^Loss\. .*third: .*first: / }).waitFor();
    assert.match(page.url(), /#\/runs\/first\?with=third$/);
    await page.reload();
    const rate = page.getByRole('img', { name: /^Learning rate\. / });
    await rate.locator(LINE).nth(1).waitFor({ state: 'attached' });
    const strokes = await page.evaluate(
      `[...document.querySelectorAll('.chart:last-child ${LINE}')].map((path) => getComputedStyle(path).stroke)`,
    );
    assert.equal(new Set(strokes as string[]).size, 2, 'each run has a color of its own');
    await visit.picture(t, 'runs-compared-dark');
    await page.getByRole('checkbox', { name: 'Draw the curves of third' }).uncheck();
    await page.locator('.key li').nth(1).waitFor({ state: 'detached' });
    await visit.close();
  });

  it("shows a run's tables and recipe, and leads to its report", async () => {
    const visit = await Visit.at(browser, server.address, 'runs/first');
    const { page } = visit;
    await page.getByText('The recipe', { exact: true }).click();
    await page.getByText(/^config: A$/m).waitFor();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as first.yaml' }).click();
    assert.equal((await saved).suggestedFilename(), 'first.yaml');
    assert.ok((await page.locator('.tables table').count()) > 0);
    const opened = page.waitForEvent('popup');
    await page.getByRole('link', { name: 'Open the report' }).click();
    const report = await opened;
    await report.locator('svg').first().waitFor();
    await report.close();
    await visit.close();
  });

  it('says that there is no such run, and shows another', async () => {
    const visit = await Visit.at(browser, server.address, 'runs/nothing');
    await visit.page.getByRole('alert').filter({ hasText: 'There is no run nothing here' }).waitFor();
    await visit.page.locator('.chart svg').first().waitFor();
    await visit.close();
  });
});
