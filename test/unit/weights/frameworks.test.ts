/** Files of other frameworks give the outputs that their framework gives. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { type ReadModelOptions, readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { answers, assertClose, fixture, logits } from './fixtures.ts';

const torchvision = { convention: 'torchvision' } as const;
const caffe = { convention: 'caffe' } as const;
const keras = { convention: 'keras' } as const;

const read = (name: string, options?: ReadModelOptions) => readModelWithReport(fixture(name), options);

const frameworks = [
  { framework: 'torch', options: torchvision },
  { framework: 'onnx', options: torchvision },
  { framework: 'caffe', options: caffe, permuted: /BGR to RGB/ },
  { framework: 'keras2', options: keras, permuted: /BGR to RGB.*fc6: inputs from rows, columns, channels/ },
  { framework: 'keras3', options: keras, permuted: /BGR to RGB.*fc6: inputs from rows, columns, channels/ },
];

for (const { framework, options, permuted } of frameworks) {
  describe(`files of ${framework}`, () => {
    for (const [name, answer] of Object.entries(answers(framework))) {
      test(`${name} gives the framework's logits`, async () => {
        const { model, report } = await read(name, options);
        assertClose(await logits(model), answer);
        if (permuted) assert.match(report!.permuted.join(), permuted);
        if (framework === 'caffe') {
          assert.equal(model.network.pooling, 'ceil');
          assert.deepEqual(model.meanRgb, [123.68, 116.779, 103.939]);
        }
      });
    }
  });
}

describe('formats', () => {
  const temporary = new TemporaryFolder();

  for (const [name, format] of [
    ['timm-d.safetensors', 'safetensors'],
    ['torch-d.pth', 'pytorch'],
    ['torch-d-legacy.pt', 'pytorch'],
    ['keras2-a-bn.h5', 'keras'],
  ] as const) {
    test(`${name} is recognized by its content`, async () => {
      const path = temporary.path(`${format}.unknown`);
      await copyFile(fixture(name), path);
      assert.equal((await readModelWithReport(path, torchvision)).report!.format, format);
    });
  }
});

describe('networks of other frameworks', () => {
  test('configuration, width, crop and classes follow from the shapes', async () => {
    const { model } = await read('torch-d.pth', torchvision);
    const { configuration, width, crop, classes } = model.network;
    assert.deepEqual([configuration, width, crop, classes], ['D', 1 / 64, 64, 5]);
    assert.deepEqual(model.meanRgb, [123.675, 116.28, 103.53]);
  });

  test('batch normalization is folded, and the report and the provenance record it', async () => {
    const { model, report } = await read('torch-a-bn.pth', torchvision);
    assert.match(report!.folded.join(), /batch normalization into 8 convolutions/);
    assert.match(report!.remarks.join(), /its architecture differs from the paper's/);
    assert.match(model.provenance.folded!, /batch normalization/);
  });

  test('batch normalization is folded with the epsilon in the file', async () => {
    const { report } = await read('torch-b-bn.onnx', torchvision);
    assert.match(report!.folded.join(), /batch normalization into 10 convolutions/);
  });

  for (const [name, configuration, options] of [
    ['torch-e-features.pth', 'E', torchvision],
    ['keras3-notop.weights.h5', 'A', keras],
  ] as const) {
    test(`${name}: convolutions alone are a feature extractor, not a classifier`, async () => {
      await refused(read(name, options), /convolutions only/);
      const { network } = (await read(name, { ...options, allowFeatures: true })).model;
      assert.equal(network.layers.at(-1)!.name, 'pool5');
      assert.deepEqual([network.configuration, network.classes], [configuration, 0]);
    });
  }

  // VGG-Face, for example, has the authors' layer names and another mean.
  for (const name of ['torch-d.pth', 'caffe-d-v1.caffemodel', 'keras3-a.keras']) {
    test(`${name}: classes other than the published ones need their preprocessing`, () =>
      refused(read(name), /5 classes/, /--convention/, /--mean/));
  }

  test('ONNX does not state the preprocessing', () =>
    refused(read('torch-d.onnx'), /does not state its preprocessing/, /--mean/));
});
