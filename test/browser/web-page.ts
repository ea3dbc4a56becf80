/** A page without a bundler that imports the published `verydeep/web`, in Chromium with a software GPU or none. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { projectFolder } from '../../src/core/project.ts';
import { openBrowser } from '../e2e/page-browser.ts';

const PAGE = `<!doctype html><meta charset="utf-8"><title>a page</title><link rel="icon" href="data:,">
<script type="importmap">{"imports":{"verydeep/web":"/src/browser/index.js","zod":"/node_modules/zod/index.js"}}</script>`;

/** The folder of the compiled src and test. */
const compiled = fileURLToPath(new URL('../..', import.meta.url));

export interface WebPageOptions {
  /** Whether the browser has WebGPU (default: true). */
  readonly gpu?: boolean;
  /** Whether the page is cross-origin isolated (default: false). */
  readonly isolated?: boolean;
}

const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export class WebPage {
  readonly #server: Server;
  readonly #browser: Browser;
  readonly page: Page;
  /** Uncaught errors of the page. */
  readonly errors: string[] = [];

  private constructor(server: Server, browser: Browser, page: Page) {
    this.#server = server;
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(String(error)));
  }

  /** @param files served under `/files/NAME` */
  static async open(
    files: Readonly<Record<string, Uint8Array>>,
    { gpu = true, isolated = false }: WebPageOptions = {},
  ): Promise<WebPage> {
    const server = createServer((request, response) => {
      answer(new URL(request.url!, 'http://localhost').pathname, files).then(
        ({ type, body }) =>
          response.writeHead(200, { 'content-type': type, ...(isolated && ISOLATION) }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await openBrowser({ gpu });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return new WebPage(server, browser, page);
  }

  /**
   * Runs JavaScript in the page as the body of an async function, with `verydeep/web` as `verydeep`.
   * @param argument a JSON value, which the code sees as `argument`
   */
  async run<T>(code: string, argument: unknown = null): Promise<T> {
    return (await this.page.evaluate(
      `(async (argument) => { const verydeep = await import('verydeep/web'); ${code} })(${JSON.stringify(argument)})`,
    )) as T;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function answer(
  path: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<{ type: string; body: Uint8Array | string }> {
  if (path === '/') return { type: 'text/html', body: PAGE };
  if (path.startsWith('/files/')) {
    const body = files[path.slice('/files/'.length)];
    if (!body) throw new Error(`there is no ${path}`);
    return { type: 'application/octet-stream', body };
  }
  const root = path.startsWith('/node_modules/') ? projectFolder : compiled;
  return { type: 'text/javascript', body: await readFile(join(root, path)) };
}
