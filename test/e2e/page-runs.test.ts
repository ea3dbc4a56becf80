import assert from 'node:assert/strict';
import { cp, readFile, rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { exitOf, noBrowser, PageFixture, textsOf, trainRun, until, vggOutput } from './page-browser.ts';
import { linesOf, QUICK } from './training-runs.ts';

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
      await page.getByText(/^about .* left$/).waitFor();
      // Whoever comes now sees the one in training.
      const other = await fixture.visit('runs');
      await other.page.getByRole('heading', { name: 'second' }).waitFor();
      await other.close();
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

describe('the page: what can be done with runs', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    await trainRun(work, 'first', '--iterations', '12');
    await trainRun(work, 'second', '--iterations', '12', '--lr', '0.002', '--patience', '1');
    return ['--model', work.path('runs/first/best.safetensors'), '--runs', work.path('runs')];
  });
  const { work } = fixture;

  it('names a run and keeps notes about it', async () => {
    const visit = await fixture.visit('runs/first');
    const { page } = visit;
    await page.getByRole('button', { name: 'Rename or add notes' }).click();
    await page.getByLabel('Name', { exact: true }).fill('baseline');
    await page.getByLabel('Notes').fill('before the colors were fixed');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('button', { name: 'baseline' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'baseline' }).waitFor();
    await page.getByText('before the colors were fixed').waitFor();
    const kept = JSON.parse(await readFile(work.path('runs/first/notes.json'), 'utf8'));
    assert.deepEqual(kept, { name: 'baseline', notes: 'before the colors were fixed' });
    await page.getByRole('button', { name: 'Rename or add notes' }).click();
    await page.getByLabel('Name', { exact: true }).fill('');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('heading', { name: 'first' }).waitFor();
    await visit.close();
  });

  it("classifies with a run's model at once", async () => {
    const visit = await fixture.visit('runs/second');
    const { page } = visit;
    await page.getByRole('button', { name: 'Use this model' }).click();
    await page.getByRole('heading', { name: 'Classify an image' }).waitFor();
    const models = page.getByLabel('Model', { exact: true });
    await until(async () => (await models.inputValue()) === 'second', 'the model to be chosen');
    await visit.choose();
    await visit.prediction();
    // The model is known to every other page from now on.
    const other = await fixture.visit('classify');
    assert.deepEqual(await textsOf(other.page.getByLabel('Model', { exact: true }).locator('option')), [
      'first',
      'second',
    ]);
    await other.close();
    await visit.close();
  });

  it("saves a run's metrics and model, and leads to its card", async () => {
    const visit = await fixture.visit('runs/first');
    const { page } = visit;
    await visit.charts();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download metrics' }).click();
    const csv = await saving;
    assert.equal(csv.suggestedFilename(), 'first-metrics.csv');
    const [header, ...lines] = (await readFile(await csv.path(), 'utf8')).trim().split('\n');
    assert.match(header!, /^kind,iteration,epoch,/);
    assert.equal(lines.length, (await linesOf(work.path('runs/first/metrics.jsonl'))).length);
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download model' }).click();
    const model = await downloading;
    assert.equal(model.suggestedFilename(), 'first-best.safetensors');
    await model.saveAs(work.path('saved.safetensors'));
    await vggOutput(
      work,
      'predict',
      work.path('photos/val/cat/8.jpg'),
      '--model',
      work.path('saved.safetensors'),
    );
    const opened = page.waitForEvent('popup');
    await page.getByRole('link', { name: 'Model card' }).click();
    const card = await opened;
    assert.match((await card.locator('body').textContent())!, /# first[\s\S]*Intended use/);
    await card.close();
    await visit.close();
  });

  it('does not wait for metrics of a run that was stopped before it had any', async () => {
    await cp(work.path('runs/first'), work.path('runs/stopped'), { recursive: true });
    for (const file of ['metrics.jsonl', 'result.json']) await rm(work.path('runs/stopped', file));
    const visit = await fixture.visit('runs/stopped');
    await visit.page.getByText('Training stopped before there were any metrics.').waitFor();
    assert.equal(await visit.page.getByText('Waiting for the first metrics').count(), 0);
    await visit.close();
    await rm(work.path('runs/stopped'), { recursive: true });
  });

  it('compares runs by the settings in which they differ', async () => {
    const visit = await fixture.visit('runs/first?with=second');
    const { page } = visit;
    const table = page.getByRole('table', { name: 'Runs by the settings in which they differ' });
    await table.waitFor();
    const [header, ...rows] = await textsOf(table.getByRole('row'));
    assert.match(header!, /^Run .*\blr\b.* Best top-1 error/);
    assert.doesNotMatch(header!, /width|crop/);
    assert.match(rows.find((row) => row.startsWith('second'))!, /0\.002/);
    await visit.close();
  });

  it('fills the bar of a run that has ended, and shows no top-5 error of three classes', async () => {
    const visit = await fixture.visit('runs');
    const { page } = visit;
    const bar = page.getByRole('progressbar', { name: 'Progress of second' });
    await bar.waitFor();
    assert.equal(await bar.getAttribute('value'), await bar.getAttribute('max'));
    await visit.charts();
    assert.doesNotMatch((await page.locator('main').textContent())!, /top-5/i);
    await visit.close();
  });

  it('zooms into a part of the curves, and shows all of them again', async () => {
    const visit = await fixture.visit('runs/first');
    const { page } = visit;
    await visit.charts();
    const loss = page.getByRole('img', { name: /^Loss\. / });
    const path = () => loss.locator(LINE).first().getAttribute('d');
    const whole = await path();
    await loss.scrollIntoViewIfNeeded();
    const box = (await loss.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 20, box.y + 60);
    await page.mouse.up();
    await until(async () => (await path()) !== whole, 'fewer points');
    assert.ok(Number(await page.getByLabel('From epoch').inputValue()) > 1);
    await page.getByRole('button', { name: 'Show all' }).click();
    await until(async () => (await path()) === whole, 'the whole curve');
    // The same by keyboard.
    await page.getByLabel('From epoch').fill('3');
    await page.getByLabel('From epoch').press('Tab');
    await until(async () => (await path()) !== whole, 'fewer points');
    await page.getByRole('radio', { name: 'log', exact: true }).check();
    const rates = page.getByRole('img', { name: /^Learning rate\. / }).locator('svg');
    assert.doesNotMatch((await rates.textContent())!, /e-[1-6]/, 'ticks are written out');
    await page.getByLabel('Smoothing').fill('0.8');
    assert.deepEqual(await visit.violations(), []);
    await visit.close();
  });
});
