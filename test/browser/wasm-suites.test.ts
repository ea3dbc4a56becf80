/** A sample of the suites of every backend, with the WebAssembly engine in Chromium, and with relaxed SIMD in Node. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { noChromium } from '../e2e/page-browser.ts';

const SUITES = [
  'kernels/conformance-layers',
  'kernels/conformance-convolution',
  'kernels/conformance-batches',
  'kernels/conformance-loss',
  'kernels/conformance-sgd',
  'kernels/gradient-check',
  'golden/golden',
] as const;

/** Runs the tests of the backend wasm in a suite, and returns how many passed. */
async function pass(suite: string, flags: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const file = fileURLToPath(new URL(`../${suite}.test.js`, import.meta.url));
  const args = [...flags, '--test-reporter=tap', '--test-name-pattern=^wasm: ', file];
  // A test process that starts another one must not pass on its own reporter's channel.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const options = { env: { ...inherited, ...env }, maxBuffer: 2 ** 26 };
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      assert.equal(error, null, `${stdout}\n${stderr}`);
      resolve(stdout);
    });
  });
  return Number(/^# pass (\d+)$/m.exec(output)?.[1]);
}

describe('wasm in Chromium', { skip: noChromium }, () => {
  for (const suite of SUITES) {
    it(`passes ${suite}`, async () => {
      assert.ok((await pass(suite, [], { VERYDEEP_TEST_WASM: 'chromium' })) > 0);
    });
  }
});

/** Node 20 has relaxed SIMD behind a flag; later versions use it without one, in all suites. */
const RELAXED = '--experimental-wasm-relaxed-simd';
const noFlag = !process.version.startsWith('v20.') && 'all suites use relaxed SIMD in this version of Node';

describe('wasm with relaxed SIMD', { skip: noFlag }, () => {
  for (const suite of SUITES) {
    it(`passes ${suite}`, async () => {
      assert.ok((await pass(suite, [RELAXED], {})) > 0);
    });
  }
});
