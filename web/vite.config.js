/**
 * Builds the page into dist/web, which `vgg serve` gives out. Nothing is inlined into the HTML, so that a strict
 * Content-Security-Policy holds; addresses are relative, so that the page works below any path.
 *
 * While working on the page: `npx vite web`, beside `vgg serve` at port 8080.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:8080';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
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
