/** Classifiers other than the paper's, and preprocessing inside a network: each framework's own scores at two sizes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { formatHeadPool } from '../../../src/net/classifier.ts';
import { describeHead } from '../../../src/net/network.ts';
import { writeWeights } from '../../../src/weights/export/write-weights.ts';
import { writtenExtensions } from '../../../src/weights/formats/formats.ts';
import { type ReadModelOptions, readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { writeModel } from '../../../src/weights/model/write-model.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { assertClose, fixture, logits, smallModel, TOLERANCE } from './fixtures.ts';

const read = (name: string, options?: ReadModelOptions) =>
  readModelWithReport(fixture(`heads/${name}`), options);
const answers: Record<string, Record<string, number[]>> = JSON.parse(
  readFileSync(fixture('heads/answers-heads.json'), 'utf8'),
);

const torchvision = { convention: 'torchvision' } as const;
const average = { method: 'average', side: 1 } as const;
const max = { method: 'max', side: 1 } as const;
/** Quantized activations move scores of up to 3 by as much. */
const QUANTIZED = 0.05;

interface Case {
  /** Facts that the file does not state. */
  readonly options?: ReadModelOptions;
  readonly head: string;
  readonly crop: number;
  readonly tolerance?: number;
}

const gap = 'global average pooling, FC-24, FC-5';
const cases: Readonly<Record<string, Case>> = {
  'lightning-gap.ckpt.pth': { options: { ...torchvision, headPool: average, crop: 64 }, head: gap, crop: 64 },
  'compiled-gmp.pth': {
    options: { ...torchvision, headPool: max },
    head: 'global max pooling, FC-16, FC-5',
    crop: 224,
  },
  'linear.pth': {
    options: { ...torchvision, headPool: average },
    head: 'global average pooling, FC-5',
    crop: 224,
  },
  'adaptive-3.pth': {
    options: { ...torchvision, headPool: { method: 'average', side: 3 } },
    head: 'average pooling to 3×3, FC-16, FC-5',
    crop: 224,
  },
  'deep-ema.pth': {
    options: { ...torchvision, headPool: average },
    head: 'global average pooling, FC-12, FC-10, FC-6, FC-5',
    crop: 224,
  },
  'gap-whole.pth': { options: torchvision, head: gap, crop: 224 },
  'gap-script.pt': { options: torchvision, head: gap, crop: 224 },
  'gap-traced.pt': { options: torchvision, head: gap, crop: 224 },
  'gap-exported.pt2': { options: torchvision, head: gap, crop: 64 },
  'gap.onnx': { options: torchvision, head: gap, crop: 224 },
  'gap-preprocessing.onnx': { head: gap, crop: 224 },
  'gap-dynamo.onnx': { options: torchvision, head: gap, crop: 64 },
  'adaptive-3-at-192.onnx': { options: torchvision, head: 'average pooling to 3×3, FC-16, FC-5', crop: 192 },
  'gap-int8.onnx': { options: torchvision, head: gap, crop: 224, tolerance: QUANTIZED },
  'gap-uint8.onnx': { options: torchvision, head: gap, crop: 224, tolerance: QUANTIZED },
  'keras-gap-rescaling.keras': { head: gap, crop: 224 },
  'keras-gmp-normalization.keras': { head: 'global max pooling, FC-5', crop: 96 },
  'keras-gap.h5': { options: { convention: 'keras' }, head: 'global average pooling, FC-16, FC-5', crop: 80 },
  'keras-gap-preprocess-input.keras': { head: 'global average pooling, FC-5', crop: 224 },
  'keras-flatten-150.h5': { head: 'FC-16, FC-5', crop: 128 },
};

describe('classifiers of other networks', () => {
  for (const [name, { options, head, crop, tolerance = TOLERANCE }] of Object.entries(cases)) {
    test(`${name} gives the framework's logits at each size`, async () => {
      const { model } = await read(name, options);
      assert.equal(describeHead(model.network), head);
      assert.equal(model.network.crop, crop);
      for (const [side, expected] of Object.entries(answers[name]!)) {
        assertClose(await logits(model, Number(side)), expected, tolerance);
      }
    });
  }

  test('what was folded, assumed or left out is reported', async () => {
    const said = async (name: string, options?: ReadModelOptions) => {
      const { folded, remarks } = (await read(name, options)).report!;
      return [...folded, ...remarks].join('; ');
    };
    assert.match(
      await said('keras-gap-rescaling.keras'),
      /preprocessing \(rescaling\) into conv1_1.*random_flip.* left out/,
    );
    assert.match(await said('gap-int8.onnx', torchvision), /quantized weights become float32/);
    assert.match(
      await said('linear.pth', torchvision),
      /assumed none, so crops of 32 pixels.*--head-pool average or max/,
    );
    assert.match(
      await said('lightning-gap.ckpt.pth', cases['lightning-gap.ckpt.pth']!.options),
      /into 1 fully connected layers/,
    );
  });

  test('images that were larger than the crop keep their size as the training scale', async () => {
    const { model, report } = await read('keras-flatten-150.h5');
    assert.deepEqual(model.trainScale, { min: 150, max: 150 });
    assert.match(report!.remarks.join(), /images of 150 pixels.*crop of 128/);
  });

  test('pooling and crop that contradict the file are refused', async () => {
    await refused(read('gap.onnx', { ...torchvision, headPool: max }), /pooling average .* not max/);
    await refused(read('gap-script.pt', { ...torchvision, headPool: 'none' }), /pooling average .* not none/);
    await refused(read('adaptive-3.pth', { ...torchvision, headPool: average }), /average-3/);
    await refused(
      read('linear.pth', { ...torchvision, crop: 64 }),
      /crops of 32 pixels, not 64/,
      /--head-pool/,
    );
  });
});

describe('a pooling before the classifier in files that verydeep writes', () => {
  const temporary = new TemporaryFolder();
  const random = (index: number) => Math.sin(index + 1) / 3;

  for (const extension of writtenExtensions) {
    for (const pool of [average, max]) {
      test(`${extension}, ${formatHeadPool(pool)}`, async () => {
        const model = smallModel({ headPool: pool, hidden: [12], crop: 80, classes: 4 }, random);
        const path = temporary.path(`${pool.method}${extension}`);
        await writeWeights(path, model);
        const { model: back } = await readModelWithReport(path);
        assert.deepEqual(back.network, model.network);
        assertClose(await logits(back, 96), await logits(model, 96), 0);
      });
    }
  }

  test('pooling to 3×3 fits the formats that hold only tensors', async () => {
    const model = smallModel({ headPool: { method: 'average', side: 3 }, hidden: [] }, random);
    await writeWeights(temporary.path('adaptive.pth'), model);
    assert.deepEqual(
      (await readModelWithReport(temporary.path('adaptive.pth'))).model.network,
      model.network,
    );
    for (const extension of ['.onnx', '.h5', '.caffemodel']) {
      await refused(writeWeights(temporary.path(`adaptive${extension}`), model), /no pooling to 3×3/);
    }
  });
});

describe('options for a file of our own', () => {
  const temporary = new TemporaryFolder();
  const path = temporary.path('own.safetensors');
  const names = { classes: ['a', 'b', 'c'], labels: ['A', 'B', 'C'] };

  test('class names are applied, and refused if their number differs', async () => {
    await writeModel(path, smallModel());
    const { model } = await readModelWithReport(path, { classNames: names });
    assert.deepEqual([model.classes, model.labels], [names.classes, names.labels]);
    await refused(
      readModelWithReport(path, { classNames: { classes: ['a'], labels: ['a'] } }),
      /names 1 classes/,
    );
  });

  test('whatever contradicts its record is refused', async () => {
    await writeModel(path, smallModel());
    const contradicting: ReadModelOptions[] = [
      { convention: 'caffe' },
      { mean: [1, 2, 3], channelOrder: 'rgb' },
      { scale: 1 / 255 },
      { configuration: 'A-LRN' },
      { pooling: 'ceil' },
      { headPool: average },
      { crop: 64 },
      { prefix: 'model' },
      { batchNormEpsilon: 1e-3 },
      { classOrder: 'devkit' },
    ];
    for (const options of contradicting) {
      await refused(readModelWithReport(path, options), /own\.safetensors records its/, /leave/);
    }
    await readModelWithReport(path, { configuration: 'A', pooling: 'floor', headPool: 'none', crop: 32 });
  });

  test('the recorded preprocessing is replaced on demand', async () => {
    const before = smallModel({}, (index) => index + 1);
    await writeModel(path, before);
    const replaced = async (options: ReadModelOptions) =>
      (await readModelWithReport(path, { ...options, replacePreprocessing: true })).model;
    const mean = await replaced({ mean: [10, 20, 30] });
    assert.deepEqual([mean.meanRgb, mean.tensors], [[10, 20, 30], before.tensors]);
    const other = await replaced({ convention: 'torchvision' });
    assert.deepEqual(other.meanRgb, [123.675, 116.28, 103.53]);
    assert.ok(Math.abs(other.tensors.get('conv1_1.weight')![0]! - 1 / 255 / 0.229) < 1e-6);
  });

  test('prefix and epsilon are refused where a file has none', async () => {
    await refused(read('gap.onnx', { ...torchvision, prefix: 'model' }), /--prefix does not apply/);
    await refused(read('linear.pth', { ...torchvision, batchNormEpsilon: 1 }), /no batch normalization/);
  });
});
