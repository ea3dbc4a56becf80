/** A real `vgg serve` and a real Chromium, for the tests of the page. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { projectFolder } from '../../src/core/project.ts';
import { jpeg } from '../support/images.ts';
import { QUICK, Workplace } from './training-runs.ts';

const executable = '/usr/bin/chromium';
/** Milliseconds for anything to appear, on a machine that may be busy with other tests. */
const PATIENCE = 120_000;
/** Milliseconds that a layout may take to settle. */
const SETTLING = 10_000;
const page = join(projectFolder, 'dist/web/index.html');
const axe = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'));

/** Why browser tests cannot run here; false: they can. */
export const noChromium: string | false =
  !existsSync(executable) && `there is no ${executable}: apt-get install chromium`;

/** Why tests of the page cannot run here; false: they can. */
export const noBrowser: string | false =
  noChromium || (!existsSync(page) && 'the page is not built: node scripts/setup.mjs');

/** WebGPU by software rendering; without these flags a machine without a GPU has no WebGPU. */
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/**
 * Chromium with a fresh profile, and without its background requests.
 * @param gpu whether WebGPU finds a device
 */
export function openBrowser({ gpu = false } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      ...(gpu ? SOFTWARE_GPU : []),
      '--use-fake-device-for-media-stream', // a camera that shows a clock
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Served {
  /** Where the page is: `http://127.0.0.1:PORT/` */
  readonly address: string;
  /** Ends the server as `kill` does, and waits for it. */
  stop(): Promise<number | null>;
}

/** Starts `vgg serve` at a free port and waits until it prints its address. */
export async function serve(work: Workplace, ...args: string[]): Promise<Served> {
  const child = work.start('serve', '--port', '0', ...args);
  const ended = exitOf(child);
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    const listen = (text: Buffer) => {
      said += text.toString();
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
      if (found) resolve(`${found[0]}/`);
    };
    child.stdout!.on('data', listen);
    child.stderr!.on('data', listen);
    void ended.then((code) => reject(new Error(`vgg serve ended with ${code}: ${said}`)));
  });
  return {
    address,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', resolve));
}

/** Runs `vgg`, which must succeed, and returns its output. */
export async function vggOutput(work: Workplace, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await work.vgg(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Trains for a few iterations on the workplace's photographs; the run is at `runs/NAME`. */
export async function trainRun(work: Workplace, name: string, ...flags: string[]): Promise<string> {
  const out = work.path('runs', name);
  await vggOutput(work, 'train', work.path('photos'), '--out', out, ...QUICK, '--iterations', '6', ...flags);
  return out;
}

/** Writes a small model with random weights for three classes. */
export async function initModel(work: Workplace, name: string, ...flags: string[]): Promise<string> {
  const out = work.path(`${name}.safetensors`);
  const network = ['--config', 'A', '--classes', '3', '--crop', '32', '--width', '0.05'];
  await vggOutput(work, 'init', ...network, ...flags, '--out', out);
  return out;
}

/** A server and a browser for the tests of one `describe`, in which it is created. */
export class PageFixture {
  readonly work = new Workplace();
  server!: Served;
  browser!: Browser;
  /** Those of `vgg serve`. */
  flags: readonly string[] = [];

  /** @param prepare writes what is served, and returns the flags of `vgg serve` */
  constructor(prepare: (work: Workplace) => Promise<string[]>, options: { gpu?: boolean } = {}) {
    before(async () => {
      this.flags = await prepare(this.work);
      this.server = await serve(this.work, ...this.flags);
      this.browser = await openBrowser(options);
    });
    after(async () => {
      await this.browser?.close();
      assert.equal(await this.server?.stop(), 0);
    });
  }

  visit(route: string, options?: VisitOptions): Promise<Visit> {
    return Visit.at(this.browser, this.server.address, route, options);
  }
}

export interface VisitOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colors?: 'light' | 'dark';
}

/** A page in a fresh browser context, which records its requests and errors. */
export class Visit {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #address: string;
  readonly #requests: string[] = [];
  readonly #errors: string[] = [];

  private constructor(context: BrowserContext, page: Page, address: string) {
    this.#context = context;
    this.#address = address;
    this.page = page;
    context.on('request', (request) => this.#requests.push(request.url()));
    page.on('pageerror', (error) => this.#errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.#errors.push(message.text());
    });
  }

  static async at(
    browser: Browser,
    address: string,
    route: string,
    options: VisitOptions = {},
  ): Promise<Visit> {
    const { width = 1280, height = 900, colors = 'light' } = options;
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: colors });
    context.setDefaultTimeout(PATIENCE);
    const visit = new Visit(context, await context.newPage(), address);
    await visit.page.goto(`${address}#/${route}`);
    await visit.page.getByRole('heading', { level: 1 }).waitFor();
    return visit;
  }

  /** @param file an image's bytes, as if it had been picked */
  async choose(file?: Buffer, name = 'pattern.jpg', mimeType = 'image/jpeg'): Promise<void> {
    const buffer = file ?? (await jpeg(96, 64, 3));
    await this.page.getByLabel('Image file').setInputFiles({ name, mimeType, buffer });
  }

  /**
   * The list of the most probable classes, once it is there.
   * @param protocol one of those that are compared (default: that of the verdict)
   */
  async prediction(protocol?: string): Promise<Locator> {
    const name = protocol === undefined ? 'Most probable classes' : `${protocol}: most probable classes`;
    const list = this.page.getByRole('list', { name, exact: true });
    if (protocol !== undefined && (await this.page.locator('.all-protocols').count()) === 0) {
      await this.page.getByText('Compare test protocols').click();
    }
    await list.waitFor();
    return list;
  }

  /** Lays the score map over the image, and waits for it. */
  async showScoreMap(): Promise<Locator> {
    await this.page.getByRole('radio', { name: 'Score map' }).check();
    const map = this.page.getByRole('img', { name: /^Score map of / });
    await map.waitFor();
    return map;
  }

  /** Opens a view by its link in the header. */
  async open(view: 'Classify' | 'Layers' | 'Train' | 'Runs' | 'Weights' | 'API'): Promise<void> {
    await this.page.getByRole('link', { name: view, exact: true }).click();
  }

  /** Lays the crops over the image, and waits for them. */
  async showCrops(): Promise<void> {
    await this.page.getByRole('radio', { name: 'Crops', exact: true }).check();
    await this.page.getByText('Crop at row 3, column 3').waitFor();
  }

  /** Waits for the maps of a layer's channels. */
  async channelMaps(): Promise<void> {
    const maps = this.page.getByRole('button', { name: /^Map of channel \d+/ });
    await maps.first().waitFor();
  }

  /** Waits for the first chart. */
  async charts(): Promise<void> {
    await this.page.locator('.chart svg').first().waitFor();
  }

  /** Waits for an error message. */
  async alert(text: string | RegExp): Promise<void> {
    await this.page.getByRole('alert').filter({ hasText: text }).first().waitFor();
  }

  /** JavaScript of a DataTransfer with one file, as a drop or a paste carries it. */
  static carrying(file: Buffer | string, name: string, type: string): string {
    return `(() => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob('${Buffer.from(file).toString('base64')}'), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], '${name}', { type: '${type}' }));
      return data;
    })()`;
  }

  /** Drops a file on the page. */
  async drop(file: Buffer | string, name: string, type: string): Promise<void> {
    const dataTransfer = await this.page.evaluateHandle(Visit.carrying(file, name, type));
    await this.page.dispatchEvent('main', 'drop', { dataTransfer });
  }

  /**
   * What axe finds wrong with the page: each fault with its elements. A view is ready for that when its heading is
   * there.
   */
  async violations(): Promise<string[][]> {
    await this.page.getByRole('heading', { level: 1 }).waitFor();
    return violationsOf(this.page);
  }

  /**
   * Pixels by which the content is wider than the window, once the layout has settled: a scroll bar that appears
   * makes a chart's box smaller, and the chart is drawn again.
   */
  async overflow(): Promise<number> {
    const deadline = Date.now() + SETTLING;
    for (;;) {
      const pixels = (await this.page.evaluate(
        'document.documentElement.scrollWidth - innerWidth',
      )) as number;
      if (pixels <= 0 || Date.now() > deadline) return pixels;
      await sleep(50);
    }
  }

  /**
   * Closes the page, which must have sent requests to this server only, and must have no errors.
   * @param expected errors in the console that are allowed
   */
  async close(expected?: RegExp): Promise<void> {
    await this.#context.close();
    const elsewhere = this.#requests.filter((url) => !url.startsWith(this.#address));
    assert.deepEqual(elsewhere, [], 'requests to other places');
    assert.ok(this.#requests.length > 2);
    const errors = this.#errors.filter((text) => !expected?.test(text));
    assert.deepEqual(errors, [], 'errors in the console');
  }

  /** Saves a picture of the page in the system's folder for temporary files. */
  async picture(t: TestContext, name: string): Promise<void> {
    const folder = join(tmpdir(), 'verydeep-page');
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${name}.png`);
    await this.page.evaluate('scrollTo(0, 0)');
    await this.page.screenshot({ path, fullPage: true });
    t.diagnostic(`screenshot: ${path}`);
  }
}

/** What axe finds wrong with a page: each fault with its elements. */
export async function violationsOf(page: Page): Promise<string[][]> {
  await page.evaluate(await readFile(axe, 'utf8'));
  return (await page.evaluate(
    'axe.run().then(({ violations }) => violations.map(({ help, nodes }) => [help, ...nodes.map(({ html }) => html)]))',
  )) as string[][];
}

/**
 * Waits for something to become true. Playwright's own way is to evaluate text in the page, which the page's
 * Content-Security-Policy forbids.
 * @param progress state of work whose duration depends on the machine: as long as it changes, the wait continues
 */
export async function until(
  isTrue: () => Promise<boolean>,
  what: string,
  progress: () => Promise<string> = async () => '',
): Promise<void> {
  let seen = await progress();
  let deadline = Date.now() + PATIENCE;
  while (!(await isTrue())) {
    const now = await progress();
    if (now !== seen) deadline = Date.now() + PATIENCE;
    seen = now;
    if (Date.now() > deadline) assert.fail(`waited for in vain: ${what} (${seen})`);
    await sleep(50);
  }
}

/** The texts of all elements, with one space wherever there is some. */
export async function textsOf(found: Locator): Promise<string[]> {
  return (await found.allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim());
}

/** As much of a canvas as is used here: this side of the tests has no DOM. */
interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: '2d'): {
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  };
}

/** The mean red, green and blue of a canvas's pixels. */
export function colorOf(canvas: Locator): Promise<[number, number, number]> {
  return canvas.evaluate((element: unknown) => {
    const canvas = element as Canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const sums: [number, number, number] = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      for (const c of [0, 1, 2] as const) sums[c] += (4 * data[at + c]!) / data.length;
    }
    return sums;
  });
}
