/** Models written in another framework's format are read back bit for bit, with all their facts. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { UsageError } from '../../../src/core/errors.ts';
import { configurationNames } from '../../../src/net/configurations.ts';
import { initialize } from '../../../src/net/initialization.ts';
import { buildNetwork, type NetworkOptions } from '../../../src/net/network.ts';
import { writeWeights } from '../../../src/weights/export/write-weights.ts';
import type { Model } from '../../../src/weights/model/model.ts';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const temporary = new TemporaryFolder();

function makeModel(options: NetworkOptions): Model {
  const network = buildNetwork({ classes: 4, crop: 64, width: 1 / 32, dropout: 0.25, ...options });
  const tensors = new Map(initialize(network, { method: 'he-unscaled', seed: 5 }));
  // Biases too, and values whose bits a multiplication would change.
  for (const tensor of tensors.values()) {
    for (let i = 0; i < tensor.length; i++) tensor[i] = tensor[i]! + i / 3e5;
  }
  return {
    network,
    tensors,
    classes: ['a', 'b', 'c', 'd'],
    labels: ['Ä', '猫', 'c', 'd "quoted"'],
    meanRgb: [120.25, 115.5, 101.125],
    trainScale: { min: 64, max: 96 },
    colorProfiles: 'convert',
    provenance: { createdBy: 'a test' },
  };
}

const formats = ['pth', 'onnx', 'caffemodel', 'h5', 'safetensors'];

describe('round trips', () => {
  for (const configuration of configurationNames) {
    for (const extension of formats) {
      // Keras has no layer for it.
      if (configuration === 'A-LRN' && extension === 'h5') continue;
      test(`${configuration} as .${extension}`, async () => {
        const model = makeModel({ configuration, pooling: 'ceil' });
        const path = temporary.path(`${configuration}.${extension}`);
        await writeWeights(path, model);
        const { model: back, report } = await readModelWithReport(path);
        assert.deepEqual(back, model);
        assert.deepEqual(report?.ignored ?? [], []);
      });
    }
  }

  test('a fully convolutional ONNX model has the same weights', async () => {
    const model = makeModel({ configuration: 'B' });
    const path = temporary.path('dense.onnx');
    await writeWeights(path, model, { fullyConvolutional: true });
    assert.deepEqual((await readModelWithReport(path)).model, model);
  });

  test('any convention can be written, and is undone when read', async () => {
    const model = makeModel({ configuration: 'A' });
    for (const convention of ['torchvision', 'caffe', 'keras', 'native'] as const) {
      const path = temporary.path(`${convention}.onnx`);
      const { preprocessing } = await writeWeights(path, model, { convention });
      assert.match(preprocessing, convention === 'torchvision' ? /x \/ 255/ : /x −/);
      assert.deepEqual((await readModelWithReport(path)).model, model);
    }
  });

  test('weights changed by another program are read as changed', async () => {
    const model = makeModel({ configuration: 'A' });
    const path = temporary.path('changed.pth');
    await writeWeights(path, model);
    const bytes = await readFile(path);
    // The first value of conv1_1, the first storage.
    const at = bytes.indexOf('archive/data/0') + 'archive/data/0'.length;
    const start = Math.ceil(at / 64) * 64;
    bytes.writeFloatLE(0.5, start);
    await writeFile(path, bytes);
    const weight = (await readModelWithReport(path)).model.tensors.get('conv1_1.weight')!;
    assert.ok(Math.abs(weight[0]! - 0.5 / 255 / 0.229) < 1e-9);
    const other = model.tensors.get('conv1_1.weight')![1]!;
    assert.ok(Math.abs(weight[1]! - other) < 2e-7 * Math.abs(other));
  });

  test('features alone come back as features', async () => {
    const whole = makeModel({ configuration: 'D' });
    const path = temporary.path('whole.safetensors');
    await writeWeights(path, whole);
    const { model } = await readModelWithReport(path, { featuresOnly: true });
    assert.equal(model.network.classes, 0);
    assert.deepEqual(model.meanRgb, whole.meanRgb);
    for (const extension of formats) {
      const copy = temporary.path(`features.${extension}`);
      await writeWeights(copy, model);
      assert.deepEqual((await readModelWithReport(copy, { allowFeatures: true })).model, model);
    }
  });

  test('refuses options that a format cannot represent', async () => {
    const model = makeModel({ configuration: 'A-LRN' });
    for (const [name, options] of [
      ['x.h5', {}],
      ['x.pkl', {}],
      ['x.pth', { fullyConvolutional: true }],
      ['x.safetensors', { convention: 'caffe' }],
    ] as const) {
      await assert.rejects(writeWeights(temporary.path(name), model, options), UsageError);
    }
  });
});
