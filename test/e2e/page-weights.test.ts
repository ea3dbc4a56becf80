/** Weight files of every format that `vgg convert` reads, described in the browser as `vgg inspect` describes them. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { inspectWeights } from '../../src/api/inspect-weights.ts';
import { projectFolder } from '../../src/core/project.ts';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { initModel, noBrowser, PageFixture, textsOf, until, Visit } from './page-browser.ts';

const fixtures = join(projectFolder, 'test/fixtures/weights');

/** What is chosen together, for each fixture. */
const FILES: readonly (readonly [name: string, files: readonly string[]])[] = [
  ...[
    'caffe-b-bn-v2.caffemodel',
    'caffe-d-v1.caffemodel',
    'd-exported.pt2',
    'd-matconvnet.mat',
    'd-matconvnet-old.mat',
    'd-named.npz',
    'd-script.pt',
    'd-whole.pth',
    'keras2-a-bn.h5',
    'keras3-a.keras',
    'keras3-a.weights.h5',
    'tf2onnx-like-d.onnx',
    'timm-d.safetensors',
    'torch-b-bfloat16.safetensors',
    'torch-d-channels-last.pth',
    'torch-d-legacy.pt',
    'torch-d.onnx',
    'torch-d.pth',
  ].map((name) => [name, [name]] as const),
  ['torch-d-external.onnx', ['torch-d-external.onnx', 'torch-d-external.onnx.data']],
];

describe('the page: weight files', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => ['--model', await initModel(work, 'm')]);

  const choose = (page: Page, paths: readonly string[]) =>
    page.getByLabel('Weight files').setInputFiles([...paths]);

  it('describes every format as vgg inspect does', async () => {
    const visit = await fixture.visit('weights');
    const { page } = visit;
    for (const [name, files] of FILES) {
      const { network, tensors, description } = await inspectWeights(join(fixtures, name));
      await choose(
        page,
        files.map((file) => join(fixtures, file)),
      );
      await page.locator('.chosen strong').filter({ hasText: files[0]! }).waitFor();
      await page.getByText(description, { exact: true }).waitFor();
      const heading = network ? `Network ${network.configuration}` : 'Tensors only';
      await page.getByRole('heading', { name: heading, exact: true }).waitFor();
      const rows = await textsOf(page.locator('.tensor-list tbody tr'));
      const expected = tensors.map(
        ({ name: tensor, shape, type }) =>
          `${tensor} ${shape.length > 0 ? shape.join(' × ') : 'one value'} ${type}`,
      );
      assert.deepEqual(
        rows.map((row) => row.replace(/ [\d.]+( [kMG])?$/, '')),
        expected,
        name,
      );
      await page.getByText('Standard deviation').waitFor();
      if (network) await page.getByRole('heading', { name: 'Filters of the first convolution' }).waitFor();
      assert.equal(await page.getByRole('alert').count(), 0, name);
    }
    await visit.close();
  });

  it('reads shards and folders of arrays, when all of their files are chosen', async () => {
    const visit = await fixture.visit('weights');
    for (const folder of ['d-sharded', 'd-arrays']) {
      const path = join(fixtures, folder);
      const { tensors } = await inspectWeights(path);
      await choose(
        visit.page,
        (await readdir(path)).map((name) => join(path, name)),
      );
      await until(
        async () => (await visit.page.locator('.tensor-list tbody tr').count()) === tensors.length,
        `${tensors.length} tensors of ${folder}`,
      );
    }
    await visit.close();
  });

  it("shows a tensor's statistics, and sends nothing", async (t) => {
    const visit = await fixture.visit('weights');
    const { page } = visit;
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.method() !== 'GET') sent.push(request.url());
    });
    const model = fixture.work.path('m.safetensors');
    await choose(page, [model]);
    const { tensors } = await readSafetensors(model);
    for (const name of ['conv1_1.weight', 'fc8.bias']) {
      await page.getByRole('button', { name, exact: true }).click();
      await page.getByRole('heading', { name, exact: true }).waitFor();
      await page.getByRole('img', { name: new RegExp(`^Histogram of ${name}`) }).waitFor();
      const values = [...tensors.get(name)!.data];
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const [facts] = await textsOf(page.locator('.statistics .facts'));
      const shown = (title: string) =>
        Number(new RegExp(`${title} (−?[\\d.e-]+)`).exec(facts!)![1]!.replace('−', '-'));
      const close = (actual: number, expected: number) =>
        assert.ok(Math.abs(actual - expected) <= 1e-3 * Math.abs(expected) + 1e-7, `${actual} ${expected}`);
      assert.equal(shown('Values'), values.length);
      close(shown('Minimum'), Math.min(...values));
      close(shown('Maximum'), Math.max(...values));
      close(shown('Mean'), mean);
    }
    assert.deepEqual(sent, []);
    assert.deepEqual(await visit.violations(), []);
    assert.equal(await visit.overflow(), 0);
    await visit.picture(t, 'weights-light');
    await visit.close();
  });

  it('takes a weight file that is dropped on any view', async () => {
    const visit = await fixture.visit('classify');
    const bytes = await readFile(join(fixtures, 'torch-d.pth'));
    await visit.drop(bytes, 'torch-d.pth', 'application/octet-stream');
    await visit.page.getByRole('heading', { name: 'Look into a weight file' }).waitFor();
    await visit.page.getByRole('heading', { name: 'Network D', exact: true }).waitFor();
    assert.equal(await visit.page.getByRole('alert').count(), 0);
    await visit.close();
  });

  it('says in a sentence what a file is that holds no weights', async () => {
    const visit = await fixture.visit('weights');
    const { page } = visit;
    await page.getByLabel('Weight files').setInputFiles({
      name: 'model.pth',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('<!doctype html><title>Not found</title>'),
    });
    await visit.alert(/is a web page or XML/);
    await page.getByLabel('Weight files').setInputFiles(join(fixtures, 'torch-d-external.onnx'));
    await visit.alert(/torch-d-external\.onnx\.data/);
    await visit.close();
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await Visit.at(fixture.browser, fixture.server.address, 'weights', {
        width: 320,
        height: 700,
        colors,
      });
      assert.equal(await visit.overflow(), 0);
      await choose(visit.page, [join(fixtures, 'torch-d.pth')]);
      await visit.page.getByText('Standard deviation').waitFor();
      assert.equal(await visit.overflow(), 0);
      assert.deepEqual(await visit.violations(), []);
      await visit.picture(t, `phone-weights-${colors}`);
      await visit.close();
    });
  }
});
