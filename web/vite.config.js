/**
 * Builds the page into dist/web, which `vgg serve` serves. Nothing is inlined into the HTML, so the
 * Content-Security-Policy can be strict. Addresses are relative, so the page works below any path.
 *
 * To work on the page, run `vgg serve` at port 8080 and `npx vite web`.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:8080';

/** The readers of weight files import parts of Node, which these modules replace by the files dropped on the page. */
const nodeModules = {
  'node:path': 'path',
  'node:fs': 'fs',
  'node:fs/promises': 'fs',
  'node:zlib': 'zlib',
  'node:crypto': 'others',
  'node:os': 'others',
  'node:stream': 'others',
  'node:url': 'others',
  'node:util': 'others',
  yauzl: 'yauzl',
};

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  resolve: {
    alias: Object.entries(nodeModules).map(([name, file]) => ({
      find: new RegExp(`^${name}$`),
      replacement: fileURLToPath(new URL(`src/weights/node/${file}.ts`, import.meta.url)),
    })),
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    chunkSizeWarningLimit: 700,
  },
  server: { host: '127.0.0.1', proxy: { '/v1': server } },
});
