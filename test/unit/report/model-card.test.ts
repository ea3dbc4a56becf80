import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { buildNetwork } from '../../../src/net/network.ts';
import { formatCard, type ModelCard } from '../../../src/report/model-card.ts';

const CARD: ModelCard = {
  name: 'photos: first',
  dataset: 'photos',
  dataFingerprint: 'abc',
  createdBy: 'verydeep 0.1.0',
  network: buildNetwork({ configuration: 'D' }),
  labels: ['tench', 'a | b', '<script>'],
  meanRgb: [123.68, 116.779, 103.939],
  trainScale: '256..512',
  testScale: 384,
  recipe: 'config: D\nlr: 0.01\n',
  result: {
    kind: 'validation',
    iteration: 370_000,
    epoch: 74,
    images: 50_000,
    loss: 1.1,
    top1Error: 0.256,
    top5Error: 0.081,
    learningRate: 1e-5,
    seconds: 1_000_000,
  },
  selected: true,
  seconds: 1_814_400,
  file: { name: 'best.safetensors', bytes: 553_430_176, sha256: 'f'.repeat(64) },
};

function frontMatterOf(card: ModelCard) {
  const [, yaml] = /^---\n(.*?)\n---\n/s.exec(formatCard(card)) ?? [];
  return parse(yaml!);
}

describe('a model card', () => {
  it('has the front matter that Hugging Face reads', () => {
    assert.deepEqual(frontMatterOf({ ...CARD, license: 'cc-by-4.0' }), {
      library_name: 'verydeep',
      pipeline_tag: 'image-classification',
      license: 'cc-by-4.0',
      tags: ['image-classification', 'vgg', 'verydeep'],
      datasets: ['photos'],
      metrics: ['accuracy'],
      'model-index': [
        {
          name: 'photos: first',
          results: [
            {
              task: { type: 'image-classification', name: 'Image classification' },
              dataset: { type: 'photos', name: 'photos', split: 'validation' },
              metrics: [
                { type: 'accuracy', name: 'Top-1 accuracy', value: 0.744 },
                { type: 'accuracy', name: 'Top-5 accuracy', value: 0.919, args: { top_k: 5 } },
              ],
            },
          ],
        },
      ],
    });
  });

  it('compares errors on few images with chance, if the labels of the validation are known', () => {
    const result = { ...CARD.result!, images: 40 };
    assert.match(formatCard({ ...CARD, result, guessing: 0.7 }), /\| chance \| 70\.0 % \|/);
    assert.doesNotMatch(formatCard({ ...CARD, result }), /chance/);
    assert.match(formatCard({ ...CARD, result }), /95 % interval/);
    assert.doesNotMatch(formatCard({ ...CARD, guessing: 0.7 }), /chance/);
  });

  it('describes the network, its training and its results', () => {
    const text = formatCard(CARD);
    for (const words of [
      '| parameters | 138.36 million |',
      '| top-1 error | 25.6 % |',
      '| protocol | center crops, smaller side 384 pixels |',
      '| training time | 21 d |',
      'lr: 0.01',
      'labels is `abc`',
      'f'.repeat(64),
      'selected by this validation',
    ]) {
      assert.ok(text.includes(words), words);
    }
  });

  it('names the images of its errors, and the mean class error if it differs', () => {
    const result = { ...CARD.result!, split: 'held-out', meanClassError: 0.5 } as const;
    const text = formatCard({ ...CARD, result });
    for (const words of [
      'Its top-1 error on the held-out images is 25.6 %',
      'On the held-out images, a part of the training data that the model was not trained on:',
      '| mean class error | 50.0 % |',
      '(split: held-out)',
    ]) {
      assert.ok(text.includes(words), words);
    }
    assert.doesNotMatch(formatCard(CARD), /mean class/);
  });

  it('leaves out unknown facts', () => {
    const card = { ...CARD, result: undefined, dataFingerprint: undefined, createdBy: undefined };
    const { license, 'model-index': index } = frontMatterOf(card);
    assert.equal(license, 'unknown');
    assert.equal(index, undefined);
    const text = formatCard(card);
    assert.match(text, /before the first validation/);
    assert.doesNotMatch(text, /undefined|fingerprint|created by/);
  });

  it('escapes special characters in names', () => {
    const text = formatCard(CARD);
    assert.match(text, /tench, a \\\| b, \\<script\\>\n/);
    const many = formatCard({ ...CARD, labels: Array.from({ length: 1000 }, (_, i) => `c${i}`) });
    assert.match(many, /c99 and 900 more/);
  });
});
