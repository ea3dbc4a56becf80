import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { jpeg, writeFiles } from '../support/images.ts';
import { noBrowser, PageFixture, trainRun, vggOutput } from './page-browser.ts';
import { CLASSES } from './training-runs.ts';

describe('the page: boxes', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => {
    const images = CLASSES.flatMap((name) =>
      Array.from(
        { length: 12 },
        (_, i) => `${i < 8 ? 'train' : 'val'}/${name}/${i}.${i % 2 === 0 ? 'jpg' : 'png'}`,
      ),
    );
    const rows = images.map((image) => `${image},4,5,24,29`);
    await writeFiles(work.folder, {
      'wide.jpg': await jpeg(96, 64, 3),
      'boxes.csv': `image,xmin,ymin,xmax,ymax\n${rows.join('\n')}\n`,
    });
    const model = `${await trainRun(work, 'first')}/last.safetensors`;
    const task = ['--task', 'localize', '--boxes', work.path('boxes.csv')];
    const localizer = await trainRun(work, 'boxes', ...task, '--from', model);
    const runs = ['--runs', work.path('runs')];
    return ['--model', model, '--localizer', `${localizer}/last.safetensors`, ...runs];
  });

  it('are what the curves and tables of a localization run are about', async () => {
    const visit = await fixture.visit('runs');
    const { page } = visit;
    await page.getByRole('button', { name: 'boxes', exact: true }).click();
    await page.getByRole('checkbox', { name: 'Show curves of boxes' }).check();
    await page.getByRole('checkbox', { name: 'Show curves of first' }).uncheck();
    await page.getByRole('img', { name: /^Box error\. boxes: / }).waitFor();
    const loss = page.getByRole('img', { name: /^Loss\. boxes: / });
    assert.doesNotMatch((await loss.getAttribute('aria-label'))!, /nats/);
    await page.getByText('Show as table').click();
    await page.getByRole('columnheader', { name: 'Box error', exact: true }).waitFor();
    await page.getByRole('columnheader', { name: 'box error %' }).first().waitFor();
    assert.doesNotMatch((await page.locator('main').textContent())!, /top-[15]/i);
    for (const name of ['Open report', 'Model card', 'Use this model']) {
      assert.equal(await page.getByText(name, { exact: true }).count(), 0, `${name} is for classes`);
    }
    await page.getByRole('checkbox', { name: 'Show curves of first' }).check();
    await page.getByRole('img', { name: /^Top-1 or box error\. / }).waitFor();
    await visit.close();
  });

  it('are drawn over the picture, where vgg predict says', async () => {
    const visit = await fixture.visit('classify');
    await visit.choose(await readFile(fixture.work.path('wide.jpg')), 'wide.jpg');
    await visit.prediction();
    const runs = (name: string) => fixture.work.path(`runs/${name}/last.safetensors`);
    const flags = ['--model', runs('first'), '--localizer', runs('boxes'), '--json'];
    const [{ top }] = JSON.parse(
      await vggOutput(fixture.work, 'predict', fixture.work.path('wide.jpg'), ...flags),
    ).images as [{ top: { label: string; box: Record<'left' | 'right', number> }[] }];
    await visit.page.getByRole('img', { name: `Box of ${top[0]!.label} on wide.jpg` }).waitFor();
    const lines = visit.page.locator('.frames .line');
    assert.equal(await lines.count(), CLASSES.length);
    const [x, width] = [
      Number(await lines.last().getAttribute('x')),
      Number(await lines.last().getAttribute('width')),
    ];
    assert.ok(Math.abs(x - top[0]!.box.left) < 0.1, `${x}, not ${top[0]!.box.left}`);
    assert.ok(Math.abs(x + width - top[0]!.box.right) < 0.1);
    await visit.close();
  });
});
