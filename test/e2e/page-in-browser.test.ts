import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { noBrowser, openBrowser, type Served, serve, textsOf, until, Visit } from './page-browser.ts';
import { QUICK, Workplace } from './training-runs.ts';

const PROTOCOLS = ['Dense', 'Multi-crop', 'Both', 'Center crop'] as const;

/** Keeps the devices that the page opens, so that a test can take them away. */
const KEEP_DEVICES = `
  window.devices = [];
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };`;

describe('the page: Run here', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    const flags = ['--out', work.path('run'), ...QUICK, '--iterations', '6'];
    const { code, stderr } = await work.vgg('train', work.path('photos'), ...flags);
    assert.equal(code, 0, stderr);
    server = await serve(work, '--model', work.path('run/last.safetensors'));
    browser = await openBrowser({ gpu: true });
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  /** Paths that images were sent to since. */
  function posts(page: Page): string[] {
    const paths: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST') paths.push(new URL(request.url()).pathname);
    });
    return paths;
  }

  const runHere = (page: Page) => page.getByRole('switch', { name: 'Run here' });

  /** Class and probability in per cent, in the order shown. */
  async function answer(page: Page, protocol: string): Promise<[string, number][]> {
    const list = page.getByRole('list', { name: `${protocol}: most probable classes` });
    await until(async () => (await list.getByRole('listitem').count()) === 3, protocol);
    return (await textsOf(list.getByRole('listitem'))).map((text) => {
      const [, name, value] = /^(.*) ([\d.]+) %$/.exec(text)!;
      return [name!, Number(value)];
    });
  }

  it('answers as the server does, by each protocol, and sends the image nowhere', async (t) => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await visit.choose();
    const expected = new Map<string, [string, number][]>();
    for (const protocol of PROTOCOLS) expected.set(protocol, await answer(page, protocol));
    const map = page.getByRole('img', { name: /^Score map of / });
    const expectedMap = await map.getAttribute('aria-label');

    await runHere(page).check();
    await page.getByText(/^This device computes \(WebGPU, .*swiftshader.*\)\.$/i).waitFor();
    const sent = posts(page);
    await visit.choose(await jpeg(96, 64, 3), 'again.jpg');
    await page.getByText('again.jpg', { exact: true }).waitFor();
    for (const protocol of PROTOCOLS) {
      const here = await answer(page, protocol);
      for (const [i, [name, value]] of expected.get(protocol)!.entries()) {
        assert.equal(here[i]![0], name, protocol);
        // Both are rounded to a tenth of a per cent.
        assert.ok(Math.abs(here[i]![1] - value) < 0.15, `${protocol}: ${here[i]}, not ${value}`);
      }
    }
    assert.equal((await map.getAttribute('aria-label'))!.replace('again', 'pattern'), expectedMap);
    await page.getByRole('radio', { name: 'Crops', exact: true }).check();
    await page.getByText('Crop in row 3, column 3').waitFor();
    assert.equal(sent.length, 0, String(sent));
    await visit.picture(t, 'run-here-light');

    await runHere(page).uncheck();
    await until(async () => sent.includes('/v1/predict'), 'the server to be asked again');
    await visit.close();
  });

  it('shows how far the weights have come, while the server answers', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    await page.route('**/v1/model/weights*', async (route) => {
      await gate;
      await route.continue();
    });
    await runHere(page).check();
    const progress = page.getByRole('progressbar', { name: 'Weights that have arrived' });
    await progress.waitFor();
    await page.getByText('until then the server answers').waitFor();
    await visit.choose();
    await answer(page, 'Dense');
    go();
    await page.getByText('This device computes').waitFor();
    assert.equal(await progress.count(), 0);
    await answer(page, 'Center crop');
    await visit.close();
  });

  it('leaves it to the server when the GPU is taken away, and says so', async () => {
    const visit = await Visit.at(browser, server.address, 'classify');
    const { page } = visit;
    await page.addInitScript(KEEP_DEVICES);
    await page.reload();
    await runHere(page).check();
    await page.getByText('This device computes').waitFor();
    await visit.choose();
    await answer(page, 'Center crop');
    const sent = posts(page);
    await page.evaluate('devices.at(-1).destroy()');
    await page
      .getByRole('alert')
      .filter({ hasText: /^The server answers\. The GPU was lost \(/ })
      .waitFor();
    await until(async () => sent.includes('/v1/predict'), 'the server to be asked');
    await answer(page, 'Center crop');
    assert.equal(await runHere(page).isChecked(), false);

    // What was lost can be had again.
    await runHere(page).check();
    await page.getByText('This device computes').waitFor();
    await visit.close();
  });

  it('keeps the switch away where the server keeps its weights', async () => {
    const keeping = await serve(work, '--model', work.path('run/last.safetensors'), '--no-weights');
    const visit = await Visit.at(browser, keeping.address, 'classify');
    await visit.page.getByRole('button', { name: 'Choose an image' }).waitFor();
    assert.equal(await runHere(visit.page).count(), 0);
    await visit.close();
    assert.equal(await keeping.stop(), 0);
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`has nothing that axe finds wrong, and fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await Visit.at(browser, server.address, 'classify', { width: 320, height: 700, colors });
      const { page } = visit;
      await runHere(page).waitFor();
      assert.deepEqual(await visit.violations(), []);
      await runHere(page).focus();
      await page.keyboard.press('Space');
      await page.getByText('This device computes').waitFor();
      await visit.choose(await jpeg(96, 64, 3));
      await answer(page, 'Center crop');
      assert.deepEqual(await visit.violations(), []);
      assert.equal(await visit.overflow(), 0);
      await visit.picture(t, `phone-run-here-${colors}`);
      await visit.close();
    });
  }
});

describe('the page: Run here without a GPU', { skip: noBrowser }, () => {
  const work = new Workplace();
  let server: Served;
  let browser: Browser;

  before(async () => {
    const flags = ['--config', 'A', '--classes', '3', '--crop', '32', '--width', '0.05'];
    const { code, stderr } = await work.vgg('init', ...flags, '--out', work.path('m.safetensors'));
    assert.equal(code, 0, stderr);
    server = await serve(work, '--model', work.path('m.safetensors'));
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    assert.equal(await server?.stop(), 0);
  });

  for (const [what, script, sentence] of [
    ['no device', '', 'The server answers. This browser finds no GPU that WebGPU can use.'],
    [
      'no WebGPU at all',
      "Object.defineProperty(navigator, 'gpu', { value: undefined })",
      'The server answers. This browser has no WebGPU; current versions of Chrome, Edge, Firefox and Safari have it.',
    ],
  ] as const) {
    it(`where there is ${what}, the server answers, and a sentence says why`, async () => {
      const visit = await Visit.at(browser, server.address, 'classify');
      const { page } = visit;
      await page.addInitScript(script);
      await page.reload();
      const asked: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).pathname));
      // Its state goes back by itself, which `check` would take for a failure.
      await page.getByRole('switch', { name: 'Run here' }).click();
      await page.getByRole('alert').filter({ hasText: sentence }).waitFor();
      assert.equal(await page.getByRole('switch', { name: 'Run here' }).isChecked(), false);
      assert.ok(!asked.includes('/v1/model/weights'), 'weights are not fetched for nothing');
      await visit.choose();
      await page.getByRole('list', { name: 'Center crop: most probable classes' }).waitFor();
      await visit.close();
    });
  }
});
