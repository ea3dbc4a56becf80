/**
 * Times network D by WebAssembly against onnxruntime-web and tfjs-backend-wasm, one image at a time, in one run: each
 * round times everybody once. Prints the median of the rounds' ratios.
 *
 *     cd bench/peers && ONNXRUNTIME_NODE_INSTALL=skip npm install && cd ../..
 *     node bench/peers/wasm.mjs [--in node|chromium] [--threads 1] [--rounds 5] [--config D] [--crop 224] [--width 1]
 *
 * One process runs one number of threads, which the peers cannot change. In Node, tfjs has one thread in any case.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { onnxruntimeWeb, tensorflowJs, timed, verydeep } from './wasm-contenders.mjs';

const { values: flags } = parseArgs({
  options: {
    in: { type: 'string', default: 'node' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    config: { type: 'string', default: 'D' },
    crop: { type: 'string', default: '224' },
    width: { type: 'string', default: '1' },
  },
});
const [threads, rounds, crop, width] = [flags.threads, flags.rounds, flags.crop, flags.width].map(Number);
const PAUSE = 100;
const root = resolve(import.meta.dirname, '../..');
const PAGE = `<!doctype html><meta charset="utf-8"><title>peers</title><link rel="icon" href="data:,">
<script type="importmap">{"imports":{"zod":"/node_modules/zod/index.js"}}</script>
<script src="/bench/peers/node_modules/@tensorflow/tfjs-core/dist/tf-core.min.js"></script>
<script src="/bench/peers/node_modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js"></script>`;

const TYPES = { mjs: 'text/javascript', js: 'text/javascript', wasm: 'application/wasm' };

const folder = mkdtempSync(join(tmpdir(), 'verydeep-peers-'));
try {
  const model = writeModel();
  report(await (flags.in === 'chromium' ? inChromium(model) : inNode(model)));
} finally {
  rmSync(folder, { recursive: true });
}
process.exit();

function writeModel() {
  const model = join(folder, 'model.onnx');
  const options = ['--config', flags.config, '--crop', flags.crop, '--width', flags.width];
  vgg('init', ...options, '--out', `${model}.safetensors`);
  vgg('convert', `${model}.safetensors`, model);
  return model;
}

function vgg(...args) {
  const main = join(root, 'dist/src/cli/vgg.cjs');
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`vgg ${args.join(' ')}: ${stderr}`);
}

async function inNode(model) {
  const { buildNetwork } = await import('../../dist/src/net/network.js');
  const { openWasmBackend } = await import('../../dist/src/kernels/wasm/node-engine.js');
  const require = createRequire(import.meta.url);
  const network = buildNetwork({ configuration: flags.config, crop, width });
  const tf = require('@tensorflow/tfjs-core');
  require('@tensorflow/tfjs-backend-wasm');
  const contenders = [
    await verydeep(await openWasmBackend({ threads }), network, crop),
    await onnxruntimeWeb(require('onnxruntime-web'), readFileSync(model), crop, threads),
    await tensorflowJs(tf, network, crop),
  ];
  return timed(contenders, rounds, PAUSE);
}

/** In a page that may use threads. */
async function inChromium(model) {
  const { openBrowser } = await import('../../dist/test/e2e/page-browser.js');
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    response.setHeader('content-type', TYPES[path.split('.').at(-1)] ?? 'text/html');
    if (path === '/') response.end(PAGE);
    else {
      createReadStream(path === '/model.onnx' ? model : join(root, path))
        .on('error', () => response.writeHead(404).end())
        .pipe(response);
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const browser = await openBrowser();
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const times = await page.evaluate(
    async ([config, crop, width, threads, rounds, pause]) => {
      const load = (path) => import(path);
      const { onnxruntimeWeb, tensorflowJs, timed, verydeep } = await load(
        '/bench/peers/wasm-contenders.mjs',
      );
      const { buildNetwork } = await load('/dist/src/net/network.js');
      const { openBrowserWasm } = await load('/dist/src/kernels/wasm/browser-engine.js');
      const ort = await load('/bench/peers/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs');
      const { tf } = globalThis;
      const network = buildNetwork({ configuration: config, crop, width });
      const model = new Uint8Array(await (await fetch('/model.onnx')).arrayBuffer());
      tf.wasm.setThreadsCount(threads);
      tf.wasm.setWasmPaths('/bench/peers/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
      const contenders = [
        await verydeep(await openBrowserWasm({ threads }), network, crop),
        await onnxruntimeWeb(ort, model, crop, threads),
        await tensorflowJs(tf, network, crop),
      ];
      return timed(contenders, rounds, pause);
    },
    [flags.config, crop, width, threads, rounds, PAUSE],
  );
  await browser.close();
  server.close();
  return times;
}

function report(results) {
  console.log(
    `${flags.config} at ${crop}, width ${width}, batch 1, ${threads} threads, ${flags.in}, ${rounds} rounds; ms`,
  );
  for (const { name, times } of results) {
    const ratios = results[0].times.map((own, round) => own / times[round]);
    const figures = `median ${median(times).toFixed(1).padStart(8)}  least ${Math.min(...times)
      .toFixed(1)
      .padStart(8)}`;
    console.log(`${name.padEnd(48)} ${figures}  ours / this: ${median(ratios).toFixed(3)}`);
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
