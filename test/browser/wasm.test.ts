import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Classifier } from '../../src/api/classifier.ts';
import { trainNetwork } from '../../src/api/train-network.ts';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork } from '../../src/net/network.ts';
import type { Metrics } from '../../src/train/metrics.ts';
import { resolveRecipe } from '../../src/train/resolve-recipe.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { noChromium } from '../e2e/page-browser.ts';
import { pattern, toSharp, writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { assertClose } from '../support/tensors.ts';
import { WebPage } from './web-page.ts';

const RECIPE = {
  ...{ config: 'A', width: 0.1, crop: 32, scale: '32..40', batch: 12, 'micro-batch': 8, epochs: 4 },
  ...{ dropout: 0.2, lr: 0.005, 'log-every': 1, seed: 3 },
} as const;

interface Trained {
  readonly metrics: readonly Metrics[];
  readonly device: string;
  readonly best: number | undefined;
  readonly recipe: string;
}

const OPEN = `await verydeep.openModel('/files/model.safetensors', argument)`;

for (const isolated of [true, false]) {
  describe(`verydeep/web without WebGPU, ${isolated ? '' : 'not '}cross-origin isolated`, {
    skip: noChromium,
  }, () => {
    const work = new TemporaryFolder();
    const names: string[] = [];
    let web: WebPage;

    before(async () => {
      const network = buildNetwork({ configuration: 'A-LRN', classes: 3, crop: 32, width: 1 / 14 });
      const tensors = initialize(network, { method: 'glorot', seed: 5 });
      const labels = ['ant', 'bee', 'cat'];
      const facts = { classes: labels, labels, meanRgb: [118, 109.5, 98.25] as const, provenance: {} };
      await writeModel(work.path('model.safetensors'), { network, tensors, ...facts });
      const files: Record<string, Uint8Array> = {
        'model.safetensors': await readFile(work.path('model.safetensors')),
      };
      for (const [c, name] of labels.entries()) {
        for (let i = 0; i < 8; i++) {
          const bytes = await toSharp(pattern(44 + i, 42, 2 * c + (i % 2) / 3))
            .png()
            .toBuffer();
          names.push(`${name}-${i}.png`);
          files[`${name}-${i}.png`] = bytes;
          await writeFiles(work.folder, { [`photos/${name}/${i}.png`]: bytes });
        }
      }
      web = await WebPage.open(files, { gpu: false, isolated });
    });
    after(() => web?.close());

    it('predicts with WebAssembly what Node predicts', async () => {
      const { device, backend, posteriors } = await web.run<{
        device: string;
        backend: string;
        posteriors: number[];
      }>(
        `const model = ${OPEN};
         const image = await createImageBitmap(await (await fetch('/files/cat-3.png')).blob());
         const { posteriors } = await model.predict(image, { protocol: 'dense', scales: [40, 48] });
         const { device, backend } = model;
         model.close();
         return { device, backend, posteriors: [...posteriors] };`,
        {},
      );
      assert.equal(backend, 'wasm');
      const threads = isolated ? /, \d+ threads?$/ : /, 1 thread$/;
      assert.match(device, /^WebAssembly with (relaxed )?SIMD, /);
      assert.match(device, threads);
      const classifier = await Classifier.open(work.path('model.safetensors'), { backend: 'reference' });
      const image = await readFile(work.path('photos/cat/3.png'));
      const expected = await classifier.predict(image, { protocol: 'dense', scales: [40, 48] });
      classifier.close();
      assertClose('posteriors', posteriors, [...expected.posteriors], 1e-5);
    });

    it('trains with the losses of Node, and keeps the best weights', async () => {
      const { metrics, device, best, recipe } = await web.run<Trained>(
        `const [names, recipe] = argument;
         async function* images() {
           for (const name of names) {
             const bitmap = await createImageBitmap(await (await fetch('/files/' + name)).blob());
             yield { image: bitmap, label: name.split('-')[0] };
           }
         }
         const metrics = [];
         let device;
         const { model, best, close } = await verydeep.trainModel({
           images: images(), recipe, onMetrics: (line) => metrics.push(line),
           onStart: (start) => { device = start.device; },
         });
         const file = await best.model.file();
         await model.predict({ width: 40, height: 40, pixels: new Uint8Array(4800) });
         const result = { metrics, device, best: file.size, recipe: model.facts.provenance.recipe };
         close();
         return result;`,
        [names, RECIPE],
      );
      const there: Metrics[] = [];
      await trainNetwork({
        data: work.path('photos'),
        out: work.path('run'),
        recipe: resolveRecipe(RECIPE),
        listener: { onMetrics: (line) => void there.push(line) },
      });
      assert.match(device, /^WebAssembly/);
      assert.equal(JSON.parse(recipe).backend, 'wasm');
      assert.deepEqual(pluck(metrics, 'kind'), pluck(there, 'kind'));
      // Float32 sums in another order, and steps that let the differences grow.
      assertClose('losses', pluck(metrics, 'loss'), pluck(there, 'loss'), 2e-3);
      assert.ok(best! > 10_000);
    });

    for (const [what, options, message] of [
      ['WebGPU alone', { backend: 'webgpu' }, /^no WebGPU GPU found$|^this browser has no WebGPU: /],
      ['another backend', { backend: 'native' }, /^unknown backend "native": choose webgpu or wasm$/],
      ['threads without wasm', { threads: 2 }, /^threads works only with the backend wasm: /],
      ['no threads', { backend: 'wasm', threads: 0 }, /^the number of threads must be a whole number from 1/],
    ] as const) {
      it(`refuses ${what} in a sentence`, async () => {
        const said = await web.run<string>(
          `try { ${OPEN}; return ''; } catch (error) { return error.message; }`,
          options,
        );
        assert.match(said, message);
      });
    }

    it(
      isolated ? 'uses as many threads as wanted' : 'refuses several threads, and names the headers',
      async () => {
        const said = await web.run<string>(
          `try { const model = ${OPEN}; model.close(); return model.device; } catch (error) { return error.message; }`,
          { backend: 'wasm', threads: 3 },
        );
        const refusal = /^several threads need a cross-origin isolated page: .*Cross-Origin-Embedder-Policy/;
        assert.match(said, isolated ? /, 3 threads$/ : refusal);
        assert.deepEqual(web.errors, []);
      },
    );

    it('has one sentence where there is neither WebGPU nor WebAssembly', async () => {
      const said = await web.run<string>(
        `const { compile } = WebAssembly;
         WebAssembly.compile = async () => { throw new Error('not allowed'); };
         try { ${OPEN}; return ''; } catch (error) { return error.message; } finally { WebAssembly.compile = compile; }`,
        {},
      );
      assert.match(
        said,
        /^(no WebGPU GPU found|this browser has no WebGPU.*); the WebAssembly kernels do not start \(not allowed\): [^\n]*$/,
      );
    });
  });
}
