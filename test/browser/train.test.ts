import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Classifier } from '../../src/api/classifier.ts';
import { trainNetwork } from '../../src/api/train-network.ts';
import type { Metrics } from '../../src/train/metrics.ts';
import { resolveRecipe } from '../../src/train/resolve-recipe.ts';
import { readModel } from '../../src/weights/model/read-model.ts';
import { jsonOf, succeeded, vgg } from '../e2e/cli-process.ts';
import { noChromium } from '../e2e/page-browser.ts';
import { pattern, toSharp, writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { assertClose } from '../support/tensors.ts';
import { WebPage } from './web-page.ts';

const CLASSES = ['bee', 'ant', 'cat'];
const EACH = 12;

/** Configuration A, a tenth of its width; everything that is random is on. */
const RECIPE = {
  config: 'A' as const,
  width: 0.1,
  crop: 32,
  scale: '32..40',
  batch: 12,
  'micro-batch': 8,
  epochs: 12,
  dropout: 0.2,
  lr: 0.005,
  'log-every': 1,
  seed: 3,
};

interface Outcome {
  readonly metrics: readonly Metrics[];
  readonly file: string;
  readonly best?: { readonly file: string; readonly iteration: number; readonly top1Error: number };
  readonly reason: string;
  readonly classes: readonly string[];
  readonly iterations: number;
}

/** Trains in the page on `/files/CLASS-NUMBER.png`; `options` is JavaScript. */
const TRAIN = `
  async function* images(names) {
    for (const name of names) {
      const bitmap = await createImageBitmap(await (await fetch('/files/' + name)).blob());
      yield { image: bitmap, label: name.split('-')[0] };
      bitmap.close();
    }
  }
  async function train(names, recipe, options = {}) {
    const metrics = [];
    const onMetrics = (line) => metrics.push(line);
    const { reason, iterations, model, best, close } = await verydeep.trainModel({
      images: images(names), recipe, onMetrics, ...options,
    });
    const fileOf = async (model) => {
      const bytes = new Uint8Array(await (await model.file()).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    };
    const file = await fileOf(model);
    const { classes } = model.facts;
    const kept = best && { file: await fileOf(best.model), iteration: best.iteration, top1Error: best.top1Error };
    close();
    return { metrics, file, best: kept, reason, classes, iterations };
  }`;

describe('verydeep/web: training in Chromium', { skip: noChromium }, () => {
  const work = new TemporaryFolder();
  const names: string[] = [];
  let web: WebPage;
  let here: Outcome;

  before(async () => {
    const files: Record<string, Uint8Array> = {};
    for (const [c, name] of CLASSES.entries()) {
      for (let i = 0; i < EACH; i++) {
        const image = pattern(44 + i, 42, 2 * c + (i % 2) / 3);
        files[`${name}-${10 + i}.png`] = await toSharp(image).png().toBuffer();
      }
    }
    names.push(...Object.keys(files).sort());
    for (const name of names) {
      await writeFiles(work.folder, { [`photos/${name.replace('-', '/')}`]: files[name]! });
    }
    web = await WebPage.open(files);
    here = await web.run<Outcome>(`${TRAIN} return train(...argument);`, [names, RECIPE]);
    await writeFile(work.path('web.safetensors'), Buffer.from(here.file, 'base64'));
  });
  after(() => web?.close());

  it('has the losses of training in Node, step by step, and lower ones at the end', async () => {
    const there: Metrics[] = [];
    const { best } = await trainNetwork({
      data: work.path('photos'),
      out: work.path('run'),
      recipe: resolveRecipe(RECIPE),
      listener: { onMetrics: (line) => void there.push(line) },
    });
    assert.deepEqual(pluck(here.metrics, 'iteration'), pluck(there, 'iteration'));
    assert.deepEqual(pluck(here.metrics, 'learningRate'), pluck(there, 'learningRate'));
    // Float32 sums in another order, and thirty steps that let them grow.
    assertClose('losses', pluck(here.metrics, 'loss'), pluck(there, 'loss'), 2e-3);
    assert.deepEqual(pluck(here.metrics, 'kind'), pluck(there, 'kind'));
    const training = here.metrics.filter(({ kind }) => kind === 'train');
    const mean = (lines: readonly Metrics[]) => lines.reduce((sum, { loss }) => sum + loss, 0) / lines.length;
    assert.ok(mean(training.slice(-5)) < 0.5 * mean(training.slice(0, 5)), String(pluck(training, 'loss')));
    assert.equal(here.reason, 'iterations');

    // Both keep the weights of the same validation, which was not the last.
    const { iteration, top1Error, file } = here.best!;
    assert.deepEqual([iteration, top1Error], [best?.iteration, best?.top1Error]);
    assert.ok(iteration < here.iterations, `${iteration}`);
    await writeFile(work.path('best.safetensors'), Buffer.from(file, 'base64'));
    const [kept, expected] = [await readModel(work.path('best.safetensors')), await readModel(best!.model)];
    for (const [name, tensor] of expected.tensors) {
      assertClose(name, kept.tensors.get(name), tensor, 2e-3);
    }
  });

  it('writes a file that the command line reads, with the classes in the same order', async () => {
    assert.deepEqual(here.classes, ['ant', 'bee', 'cat']);
    const path = work.path('web.safetensors');
    const { labels, trainScale, network, provenance } = await readModel(path);
    assert.deepEqual(labels, ['ant', 'bee', 'cat']);
    assert.deepEqual(trainScale, { min: 32, max: 40 });
    assert.deepEqual([network.configuration, network.width, network.crop], ['A', 0.1, 32]);
    assert.equal(provenance.createdBy, 'verydeep in a browser');

    await succeeded(vgg('inspect', path));
    const image = work.path('photos/cat/10.png');
    const [predicted] = (await jsonOf(vgg`predict ${image} --model ${path} --json --all`)).images;

    const posteriors = await web.run<number[]>(
      `const [file, name] = argument;
       const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
       const model = await verydeep.openModel(new Blob([bytes]));
       const image = await createImageBitmap(await (await fetch('/files/' + name)).blob());
       return [...(await model.predict(image)).posteriors];`,
      [here.file, 'cat-10.png'],
    );
    assertClose('posteriors', posteriors, predicted.posteriors, 1e-4);
    const classifier = await Classifier.open(path, { backend: 'reference' });
    const { top } = await classifier.predict(image);
    classifier.close();
    assert.equal(top[0]!.label, 'cat');
  });

  it('takes separate validation images, and stops when its signal is aborted', async () => {
    const { metrics, reason, iterations, best } = await web.run<Outcome>(
      `${TRAIN}
       const [names, recipe] = argument;
       const stop = new AbortController();
       const onIteration = ({ iteration }) => { if (iteration === 5) stop.abort(); };
       const validation = images(names.slice(0, 6));
       return train(names.slice(6), recipe, { validation, signal: stop.signal, onIteration });`,
      [names, { ...RECIPE, batch: 10, 'micro-batch': 10 }],
    );
    assert.equal(reason, 'interrupted');
    assert.equal(iterations, 5);
    assert.equal(best?.iteration, 3);
    const validations = metrics.filter((line) => line.kind === 'validation');
    assert.deepEqual([pluck(validations, 'images'), pluck(validations, 'iteration')], [[6], [3]]);
  });

  for (const [what, code, message] of [
    [
      'one class',
      'train(argument[0].slice(0, 5), argument[1])',
      /^training needs images of at least two classes; these 5 images have 1$/,
    ],
    [
      'no image',
      'train([], argument[1])',
      /^training needs images of at least two classes; these 0 images have 0$/,
    ],
    [
      'no validation image',
      'train(argument[0], argument[1], { validation: images([]) })',
      /^validation has no images: add some, or omit validation to hold out part of the training images$/,
    ],
    [
      'an unknown class',
      "train(argument[0].slice(0, 20), argument[1], { validation: images(['cat-10.png']) })",
      /^there are validation images of class cat but no training images: add some$/,
    ],
    [
      'another model',
      "train(argument[0], { ...argument[1], from: 'x' })",
      /^training in a browser starts from random weights/,
    ],
    [
      'a wrong recipe',
      'train(argument[0], { ...argument[1], crop: 33 })',
      /^the recipe: crop must be a multiple of 32$/,
    ],
    ['a rate that is too high', 'train(argument[0], { ...argument[1], lr: 1e6 })', /^the loss is not finite/],
  ] as const) {
    it(`reports in a sentence what is wrong with ${what}`, async () => {
      const said = await web.run<string>(
        `${TRAIN} return ${code}.then(() => '', (error) => error.message);`,
        [names, RECIPE],
      );
      assert.match(said, message);
      assert.deepEqual(web.errors, []);
    });
  }
});
