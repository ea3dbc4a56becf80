import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exitOf, noBrowser, PageFixture, textsOf, trainRun, until } from './page-browser.ts';
import { QUICK } from './training-runs.ts';

/** A line of a chart, as Observable Plot draws it. */
const LINE = 'g[aria-label="line"] path';

describe('the page: runs', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    const run = await trainRun(work, 'first', '--iterations', '12');
    return ['--model', `${run}/last.safetensors`, '--runs', work.path('runs')];
  });
  const { work } = fixture;

  it('draws the curves of a training while it runs, and sees it stop', async (t) => {
    const visit = await fixture.visit('runs');
    const { page } = visit;
    await page.getByRole('button', { name: 'first' }).waitFor();
    const out = ['--out', work.path('runs/second'), '--iterations', '100000', '--patience', '100000'];
    const training = work.start('train', work.path('photos'), ...QUICK, ...out);
    const ended = exitOf(training);
    try {
      // It appears without a reload, and is then chosen.
      await page.getByRole('button', { name: 'second' }).click();
      await page.getByText('live', { exact: true }).waitFor();
      const loss = page.getByRole('img', { name: /^Loss\. / });
      const iteration = async () => {
        const [text] = await textsOf(page.locator('.run-legend li').filter({ hasText: 'second' }));
        return Number(/at iteration ([\d,]+)/.exec(text ?? '')?.[1]?.replace(',', '') ?? 0);
      };
      const path = () => loss.locator(LINE).first().getAttribute('d');
      await loss.locator('svg').waitFor();
      const [before, drawn] = [await iteration(), await path()];
      await until(async () => (await iteration()) > before + 5, 'five more iterations');
      assert.notEqual(await path(), drawn, 'the curve has grown');
      assert.match((await loss.getAttribute('aria-label'))!, /second: from [\d.]+ nats to [\d.]+ nats/);
      for (const name of [/^Top-1 error\. /, /^Learning rate\. /]) {
        assert.equal(await page.getByRole('img', { name }).locator('svg').count(), 1);
      }
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
    await trainRun(work, 'third', '--iterations', '8', '--lr', '0.001');
    const visit = await fixture.visit('runs/first', { colors: 'dark' });
    const { page } = visit;
    await page.getByRole('checkbox', { name: 'Show curves of third' }).check();
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
    await page.getByRole('checkbox', { name: 'Show curves of third' }).uncheck();
    await page.locator('.run-legend li').nth(1).waitFor({ state: 'detached' });
    await visit.close();
  });

  it("shows a run's tables and recipe, and leads to its report", async () => {
    const visit = await fixture.visit('runs/first');
    const { page } = visit;
    await page.getByText('Recipe', { exact: true }).click();
    await page.getByText(/^config: A$/m).waitFor();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as first.yaml' }).click();
    assert.equal((await saved).suggestedFilename(), 'first.yaml');
    assert.ok((await page.locator('.tables table').count()) > 0);
    const opened = page.waitForEvent('popup');
    await page.getByRole('link', { name: 'Open report' }).click();
    const report = await opened;
    await report.locator('svg:visible').first().waitFor();
    await report.close();
    await visit.close();
  });

  it('reports that there is no such run, and shows another', async () => {
    const visit = await fixture.visit('runs/nothing');
    await visit.alert('There is no run nothing.');
    await visit.charts();
    await visit.close();
  });
});
