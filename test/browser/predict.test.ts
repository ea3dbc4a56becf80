import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Classifier } from '../../src/api/classifier.ts';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork } from '../../src/net/network.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { noChromium } from '../e2e/page-browser.ts';
import { png, toSharp } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { assertClose } from '../support/tensors.ts';
import { picture } from '../unit/evaluate/small-models.ts';
import { WebPage } from './web-page.ts';

const LABELS = ['ant', 'bee', 'cat'];

interface Answer {
  readonly top: readonly { readonly label: string; readonly probability: number }[];
  readonly posteriors: readonly number[];
}

describe('verydeep/web: predicting in Chromium', { skip: noChromium }, () => {
  const work = new TemporaryFolder();
  let web: WebPage;
  let classifier: Classifier;
  const files: Record<string, Uint8Array> = {};

  before(async () => {
    const network = buildNetwork({ configuration: 'A-LRN', classes: 3, crop: 32, width: 1 / 28 });
    const tensors = new Map(initialize(network, { method: 'he-unscaled', seed: 5 }));
    tensors.set(
      'conv1_1.weight',
      tensors.get('conv1_1.weight')!.map((weight) => weight / 64),
    );
    const facts = { classes: LABELS, labels: LABELS, meanRgb: [118, 109.5, 98.25] as const, provenance: {} };
    const trainScale = { min: 40, max: 48 };
    await writeModel(work.path('model.safetensors'), { network, tensors, trainScale, ...facts });
    files['model.safetensors'] = await readFile(work.path('model.safetensors'));
    files['cut.safetensors'] = files['model.safetensors'].subarray(0, 20_000);
    files['small.png'] = await toSharp(picture(60, 52, 3))
      .png()
      .toBuffer();
    files['large.png'] = await toSharp(picture(301, 203, 4))
      .png()
      .toBuffer();
    files['clear.png'] = await toSharp(picture(50, 50, 4))
      .ensureAlpha(0.5)
      .png()
      .toBuffer();
    files['text.txt'] = Buffer.from('hello');
    web = await WebPage.open(files);
    classifier = await Classifier.open(work.path('model.safetensors'), { backend: 'reference' });
  });
  after(async () => {
    await web?.close();
    classifier?.close();
  });

  /** @param code gives the model, called `model` */
  const predict = (image: string, options: object): Promise<Answer> =>
    web.run(
      `const model = await verydeep.openModel(new URL('/files/model.safetensors', location.href));
       const [name, options] = argument;
       const image = await createImageBitmap(await (await fetch('/files/' + name)).blob());
       const { top, posteriors } = await model.predict(image, options);
       model.close();
       return { top, posteriors: [...posteriors] };`,
      [image, options],
    );

  for (const [image, tolerance, why] of [
    ['small.png', 1e-5, 'both rescale by the same arithmetic'],
    ['clear.png', 0.005, 'transparency is white in both, with different rounding'],
    ['large.png', 1e-5, 'also when they shrink'],
  ] as const) {
    it(`gives Node's posteriors within ${tolerance} for ${image}: ${why}`, async () => {
      for (const options of [
        { protocol: 'dense' },
        { protocol: 'crops', scales: [40] },
        { protocol: 'center', scales: 'auto', flip: true },
      ] as const) {
        const { top, posteriors } = await predict(image, options);
        const expected = await classifier.predict(files[image]!, options);
        assertClose(`${options.protocol}`, posteriors, [...expected.posteriors], tolerance);
        if (tolerance < 1e-3) assert.deepEqual(pluck(top, 'label'), pluck(expected.top, 'label'));
        assert.ok(Math.max(...posteriors) < 0.99, 'posteriors that are not saturated');
      }
    });
  }

  it('reports the progress of the download, and reads a file of the visitor', async () => {
    const { progress, classes, device } = await web.run<{
      progress: [number, number][];
      classes: string[];
      device: string;
    }>(
      `const progress = [];
       const file = new File([await (await fetch('/files/model.safetensors')).blob()], 'mine');
       const model = await verydeep.openModel(file, { onProgress: (...both) => progress.push(both) });
       return { progress, classes: model.facts.classes, device: model.device };`,
    );
    const { length } = files['model.safetensors']!;
    assert.deepEqual(progress.at(-1), [length, length]);
    assert.ok(progress.every(([done, total], i) => total === length && done >= (progress[i - 1]?.[0] ?? 0)));
    assert.deepEqual(classes, LABELS);
    assert.match(device, /WebGPU, .*swiftshader/i);
  });

  for (const [name, message] of [
    ['cut.safetensors', /cut\.safetensors is not a valid safetensors file: it ends at byte 20000/],
    ['none.safetensors', /none\.safetensors could not be fetched: the server returned status 404/],
    ['text.txt', /text\.txt is not a valid safetensors file: it ends at byte 5/],
    ['small.png', /small\.png is not a valid safetensors file/],
  ] as const) {
    it(`reports in a sentence what is wrong with ${name}`, async () => {
      const said = await web.run<string>(
        `try { await verydeep.openModel('/files/' + argument); } catch (error) { return error.name + ': ' + error.message; }`,
        name,
      );
      assert.match(said, message);
      assert.match(said, /^UserError: [^\n]*$/);
    });
  }

  it('reports that the GPU was lost, with a remedy for a page', async () => {
    const [lost, thrown] = await web.run<[string, string]>(
      `const gpu = await verydeep.openBrowserGpu();
       const model = await verydeep.openModel('/files/model.safetensors', { gpu });
       gpu.device.destroy();
       const lost = (await model.lost).message;
       const image = { width: 40, height: 40, pixels: new Uint8Array(4800) };
       return [lost, await model.predict(image).then(() => '', (error) => error.message)];`,
    );
    assert.match(lost, /^the GPU \(.*\) was lost \(.*\): load the page again/);
    assert.equal(thrown, lost);
  });

  it('destroys its own device when it is closed, and not a given one', async () => {
    const lost = await web.run<boolean[]>(
      `const given = await verydeep.openBrowserGpu();
       const ends = [];
       for (const options of [{}, { gpu: given }]) {
         const model = await verydeep.openModel('/files/model.safetensors', options);
         model.close();
         const later = new Promise((resolve) => setTimeout(resolve, 200, false));
         ends.push(await Promise.race([model.lost.then(() => true), later]));
       }
       given.device.destroy();
       return ends;`,
    );
    assert.deepEqual(lost, [true, false]);
  });

  it('has a sentence for a browser without WebGPU', async () => {
    const said = await web.run<string[]>(
      `const said = [];
       const gpu = (value) => Object.defineProperty(navigator, 'gpu', { value, configurable: true });
       for (const value of [undefined, { requestAdapter: async () => null }]) {
         gpu(value);
         await verydeep.openBrowserGpu().catch((error) => said.push(error.message));
       }
       delete navigator.gpu;
       return said;`,
    );
    assert.match(said[0]!, /^this browser has no WebGPU: /);
    assert.equal(said[1], 'no WebGPU GPU found');
    assert.deepEqual(web.errors, []);
  });

  it('predicts the same for a bitmap, a canvas and pixels', async () => {
    files['tiny.png'] = await png(44, 40, 2);
    const [bitmap, canvas, pixels] = await web.run<[number[], number[], number[]]>(
      `const model = await verydeep.openModel('/files/model.safetensors');
       const bitmap = await createImageBitmap(await (await fetch('/files/tiny.png')).blob());
       const canvas = Object.assign(document.createElement('canvas'), { width: 44, height: 40 });
       canvas.getContext('2d').drawImage(bitmap, 0, 0);
       const images = [bitmap, canvas, verydeep.pixelsOf(bitmap)];
       const answers = [];
       for (const image of images) answers.push([...(await model.predict(image)).posteriors]);
       return answers;`,
    );
    assert.deepEqual(canvas, bitmap);
    assert.deepEqual(pixels, bitmap);
  });
});
