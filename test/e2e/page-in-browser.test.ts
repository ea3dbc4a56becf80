import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { jpeg } from '../support/images.ts';
import { initModel, noBrowser, PageFixture, serve, textsOf, trainRun, until, Visit } from './page-browser.ts';

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

describe('the page: Run in this browser', { skip: noBrowser }, () => {
  const fixture = new PageFixture(
    async (work) => ['--model', `${await trainRun(work, 'first')}/last.safetensors`],
    { gpu: true },
  );

  /** Paths that images were sent to since. */
  function posts(page: Page): string[] {
    const paths: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST') paths.push(new URL(request.url()).pathname);
    });
    return paths;
  }

  const runInBrowser = (page: Page) => page.getByRole('switch', { name: 'Run in this browser' });

  /** Class and probability in per cent, in the order shown. */
  async function answer(visit: Visit, protocol: string): Promise<[string, number][]> {
    const list = await visit.prediction(protocol);
    await until(async () => (await list.getByRole('listitem').count()) === 3, protocol);
    return (await textsOf(list.getByRole('listitem'))).map((text) => {
      const [, name, value] = /^(.*) ([\d.]+) %$/.exec(text)!;
      return [name!, Number(value)];
    });
  }

  it('predicts what the server does by each protocol, and sends the image nowhere', async (t) => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await visit.choose();
    const expected = new Map<string, [string, number][]>();
    for (const protocol of PROTOCOLS) expected.set(protocol, await answer(visit, protocol));
    const map = await visit.showScoreMap();
    const expectedMap = await map.getAttribute('aria-label');

    await runInBrowser(page).check();
    await page.getByText(/^Running on your GPU: WebGPU, .*swiftshader.*\.$/i).waitFor();
    const sent = posts(page);
    await visit.choose(await jpeg(96, 64, 3), 'again.jpg');
    await page.getByText('again.jpg', { exact: true }).waitFor();
    for (const protocol of PROTOCOLS) {
      const here = await answer(visit, protocol);
      for (const [i, [name, value]] of expected.get(protocol)!.entries()) {
        assert.equal(here[i]![0], name, protocol);
        // Both are rounded to a tenth of a per cent.
        assert.ok(Math.abs(here[i]![1] - value) < 0.15, `${protocol}: ${here[i]}, not ${value}`);
      }
    }
    await visit.showScoreMap();
    assert.equal((await map.getAttribute('aria-label'))!.replace('again', 'pattern'), expectedMap);
    for (const view of ['Occlusion', 'Grad-CAM']) {
      await page.getByRole('radio', { name: view }).check();
      await page.getByRole('img', { name: new RegExp(`^${view}.* over again`) }).waitFor();
    }
    await visit.showCrops();
    assert.equal(sent.length, 0, String(sent));
    await visit.picture(t, 'run-in-browser-light');

    await runInBrowser(page).uncheck();
    await until(async () => sent.includes('/v1/predict'), 'the server to be asked again');
    await visit.close();
  });

  it('shows how far the download of the weights is while the server does the work', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    await page.route('**/v1/model/weights*', async (route) => {
      await gate;
      await route.continue();
    });
    await runInBrowser(page).check();
    const progress = page.getByRole('progressbar', { name: 'Weights downloaded' });
    await progress.waitFor();
    await page.getByText('Until they arrive, the server does the work.').waitFor();
    await visit.choose();
    await answer(visit, 'Dense');
    go();
    await page.getByText('Running on your GPU').waitFor();
    assert.equal(await progress.count(), 0);
    await answer(visit, 'Center crop');
    await visit.close();
  });

  it('leaves the work to the server when the GPU is lost, and says so', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await page.addInitScript(KEEP_DEVICES);
    await page.reload();
    await runInBrowser(page).check();
    await page.getByText('Running on your GPU').waitFor();
    await visit.choose();
    await answer(visit, 'Center crop');
    const sent = posts(page);
    await page.evaluate('devices.at(-1).destroy()');
    await visit.alert(/^The GPU \(.*\) was lost \(.* The server will do the work\.$/);
    await until(async () => sent.includes('/v1/predict'), 'the server to be asked');
    await answer(visit, 'Center crop');
    assert.equal(await runInBrowser(page).isChecked(), false);

    // What was lost can be had again.
    await runInBrowser(page).check();
    await page.getByText('Running on your GPU').waitFor();
    await visit.close();
  });

  it('has no switch where the server does not send its weights', async () => {
    const keeping = await serve(fixture.work, ...fixture.flags, '--no-weights');
    const visit = await Visit.at(fixture.browser, keeping.address, 'classify');
    assert.equal(await runInBrowser(visit.page).count(), 0);
    await visit.close();
    assert.equal(await keeping.stop(), 0);
  });

  for (const colors of ['light', 'dark'] as const) {
    it(`has nothing that axe finds wrong, and fits a telephone, in ${colors} colors`, async (t) => {
      const visit = await fixture.visit('classify', { width: 320, height: 700, colors });
      const { page } = visit;
      await runInBrowser(page).waitFor();
      assert.deepEqual(await visit.violations(), []);
      await runInBrowser(page).focus();
      await page.keyboard.press('Space');
      await page.getByText('Running on your GPU').waitFor();
      await visit.choose(await jpeg(96, 64, 3));
      await answer(visit, 'Center crop');
      assert.deepEqual(await visit.violations(), []);
      assert.equal(await visit.overflow(), 0);
      await visit.picture(t, `phone-run-in-browser-${colors}`);
      await visit.close();
    });
  }
});

describe('the page: Run in this browser without a GPU', { skip: noBrowser }, () => {
  const fixture = new PageFixture(async (work) => ['--model', await initModel(work, 'm')]);
  const toggle = (visit: Visit) => visit.page.getByRole('switch', { name: 'Run in this browser' });

  for (const [what, script] of [
    ['no device', ''],
    ['no WebGPU at all', "Object.defineProperty(navigator, 'gpu', { value: undefined })"],
  ] as const) {
    it(`where there is ${what}, the CPU predicts what the server does, with several threads`, async () => {
      const visit = await fixture.visit('classify');
      const { page } = visit;
      await page.addInitScript(script);
      await page.reload();
      const kernels = new Map<string, number>();
      page.on('response', async (response) => {
        const name = new URL(response.url()).pathname;
        if (!/\/(relaxed|simd|browser-worker)-/.test(name)) return;
        kernels.set(name, Number(response.headers()['content-length']));
      });
      await visit.choose();
      const items = async () => textsOf((await visit.prediction()).getByRole('listitem'));
      const expected = await items();
      assert.equal(await page.evaluate('crossOriginIsolated'), true);
      await toggle(visit).check();
      const cores = availableParallelism();
      await page.getByText(`${cores} ${cores === 1 ? 'thread' : 'threads'}.`).waitFor();
      await page.getByText(/^Running on your CPU: WebAssembly with /).waitFor();
      assert.equal(kernels.size, 2, 'one variant, and the worker');
      const bytes = [...kernels.values()].reduce((sum, one) => sum + one, 0);
      assert.ok(bytes > 50_000 && bytes <= 200_000, `the kernels are ${bytes} bytes`);
      const sent: string[] = [];
      page.on('request', (request) => sent.push(new URL(request.url()).pathname));
      await visit.choose(await jpeg(96, 64, 3), 'again.jpg');
      await page.getByText('again.jpg', { exact: true }).waitFor();
      assert.deepEqual(await items(), expected);
      assert.ok(!sent.includes('/v1/predict'));
      await toggle(visit).uncheck();
      await until(async () => sent.includes('/v1/predict'), 'the server to be asked again');
      await visit.close();
    });
  }

  it('where there is no WebAssembly either, the server answers, and a sentence says why', async () => {
    const visit = await fixture.visit('classify');
    const { page } = visit;
    await page.addInitScript('delete globalThis.WebAssembly');
    await page.reload();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    // Its state goes back by itself, which `check` would take for a failure.
    await toggle(visit).click();
    await visit.alert(
      /^No WebGPU GPU found; this browser has no WebAssembly, .* The server will do the work\.$/,
    );
    assert.equal(await toggle(visit).isChecked(), false);
    assert.ok(!asked.includes('/v1/model/weights'), 'weights are not fetched for nothing');
    await visit.choose();
    await visit.prediction();
    await visit.close();
  });
});
