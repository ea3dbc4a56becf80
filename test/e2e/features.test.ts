import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { extractFeatures, type FeatureOptions } from '../../src/api/extract-features.ts';
import type { ImageFeatures } from '../../src/evaluate/features/feature-files.ts';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { lacksBf16 } from '../support/bf16.ts';
import { arrayOf, pluck, range } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { fixture } from '../unit/weights/fixtures.ts';
import { failed, succeeded, vgg, words } from './cli-process.ts';
import { linesOf } from './training-runs.ts';

const work = new TemporaryFolder();
const images = [0, 1, 2].map((index) => work.path(`${index}.png`));
before(async () => {
  const widths = [80, 70, 128];
  const heights = [70, 96, 64];
  for (const [index, path] of images.entries()) {
    const raw = { width: widths[index]!, height: heights[index]!, channels: 3 } as const;
    const pixels = range(3 * raw.width * raw.height).map((i) => (i * (7 + index)) % 251);
    await sharp(Buffer.from(pixels), { raw }).toFile(path);
  }
});

async function all(options: Partial<FeatureOptions>): Promise<ImageFeatures[]> {
  const read = { convention: 'torchvision' } as const;
  const torch = { model: fixture('torch-d.pth'), read, images, layer: 'fc7', backend: 'reference' } as const;
  return arrayOf(extractFeatures({ ...torch, ...options }));
}

describe('features', () => {
  test('are taken after the ReLU, one vector for each image, whatever the batch', async () => {
    const together = await all({});
    assert.deepEqual(pluck(together, 'shape'), [[64], [64], [64]]);
    assert.ok(together.every(({ values }) => values.every((value) => value >= 0)));
    assert.ok(together.some(({ values }) => values.some((value) => value > 0)));
    assert.deepEqual(await all({ batch: 2 }), together);
    assert.deepEqual(await all({ batch: 1 }), together);
  });

  test('of a convolution are a map, which can be pooled', async () => {
    const [map] = await all({ layer: 'conv4_3' });
    assert.deepEqual(map!.shape, [8, 8, 8]);
    const [mean] = await all({ layer: 'conv4_3', pool: 'mean' });
    const [max] = await all({ layer: 'conv4_3', pool: 'max' });
    assert.deepEqual(mean!.shape, [8]);
    const first = [...map!.values.subarray(0, 64)];
    assert.ok(Math.abs(mean!.values[0]! - first.reduce((a, b) => a + b) / 64) < 1e-5);
    assert.equal(max!.values[0], Math.max(...first));
  });

  test('of whole images follow their sizes', async () => {
    const maps = await all({ layer: 'pool3', view: 'whole', scale: 64 });
    assert.equal(pluck(maps, 'shape').join(' '), '4,8,9 4,11,8 4,8,16');
  });

  test('have the requested precision', { skip: lacksBf16 }, async () => {
    const backend = 'native';
    const [fp32] = await all({ backend, layer: 'fc6' });
    const [bf16] = await all({ backend, layer: 'fc6', precision: 'bf16' });
    assert.notDeepEqual(bf16!.values, fp32!.values);
    const largest = Math.max(...fp32!.values);
    for (const [i, value] of bf16!.values.entries()) {
      // bf16 has 8 significant bits, so a value is off by some multiples of 2⁻⁸ of the largest.
      assert.ok(Math.abs(value - fp32!.values[i]!) < 0.05 * largest);
    }
  });

  test('refuse a precision and a batch size that do not apply', async () => {
    await assert.rejects(all({ precision: 'bf16' }), /precision bf16 .*native/);
    await assert.rejects(all({ view: 'whole', batch: 4 }), /batch size applies to center crops only/);
  });

  test('can come from files without a classifier', async () => {
    const keras = { model: fixture('keras3-notop.weights.h5'), read: { convention: 'keras' } } as const;
    const [one] = await all({ ...keras, layer: 'pool5' });
    assert.deepEqual(one!.shape, [8, 7, 7]);
    await assert.rejects(all({ ...keras, layer: 'fc7' }), /has no layer fc7; choose one of conv1_1/);
  });
});

describe('vgg features', () => {
  const common = words`--model ${fixture('torch-d.pth')} --convention torchvision`;

  async function written(name: string, ...args: string[]): Promise<string> {
    const out = work.path(name);
    await succeeded(vgg`features ${args} ${common} --out ${out}`);
    return out;
  }

  test('writes .npy, .safetensors and .jsonl with the same values', async () => {
    const expected = await all({});
    const fc7 = [work.folder, '--layer', 'fc7'];
    const parsed = await linesOf(await written('f.jsonl', ...fc7));
    assert.deepEqual(pluck(parsed, 'path'), images);
    const { tensors, metadata } = await readSafetensors(await written('f.safetensors', ...fc7));
    assert.deepEqual(tensors.get('features')!.shape, [3, 64]);
    assert.deepEqual(JSON.parse(metadata.images!), images);
    const npy = await readFile(await written('f.npy', ...fc7));
    assert.equal(npy.toString('latin1', 0, 6), '\x93NUMPY');
    const length = npy.readUInt16LE(8);
    assert.match(npy.toString('latin1', 10, 10 + length), /'descr': '<f4'.*'shape': \(3, 64\)/);
    assert.equal(npy.length, 10 + length + 3 * 64 * 4);
    const stored = tensors.get('features')!.data;
    for (const [i, { values }] of expected.entries()) {
      for (const [j, value] of values.entries()) {
        const tolerance = 1e-5 * Math.max(1, Math.abs(value));
        assert.ok(Math.abs(stored[i * 64 + j]! - value) <= tolerance);
        assert.equal(npy.readFloatLE(10 + length + 4 * (i * 64 + j)), stored[i * 64 + j]);
        assert.equal(parsed[i].values[j], stored[i * 64 + j]);
      }
    }
  });

  test('names images that cannot be used, and leaves no file without others', async (t) => {
    const [bad, out] = [work.path('bad.jpg'), work.path('none.npy')];
    t.after(() => rm(bad));
    await writeFile(bad, 'not an image');
    const extract = (...args: string[]) => vgg`features ${args} ${common} --layer fc7`;
    const { stderr } = await failed(extract(bad, '--out', out), 1, /bad\.jpg/);
    assert.doesNotMatch(stderr, /none\.npy/);
    assert.doesNotMatch((await readdir(work.folder)).join(), /none/);
    const some = [images[0]!, bad, images[1]!, '--out'];
    for (const name of ['some.npy', 'some.jsonl', 'some.safetensors']) {
      const outcome = await extract(...some, work.path(name), '--json');
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /1 of the 3 images cannot be used.*--skip-bad:\n.*bad\.jpg/);
      const printed = JSON.parse(outcome.stdout);
      assert.deepEqual([printed.images, printed.inputs], [2, [images[0], images[1]]]);
    }
    const npy = await readFile(work.path('some.npy'));
    assert.match(npy.toString('latin1', 10, 128), /'shape': \(2, 64\)/);
    assert.equal(npy.length, 128 + 2 * 64 * 4);
    const skipped = await succeeded(extract(...some, work.path('skipped.npy'), '--skip-bad'));
    assert.match(skipped.stderr, /1 of 3 images cannot be read and is left out/);
    assert.deepEqual(await readFile(work.path('skipped.npy')), npy);
  });

  test('takes --precision', { skip: lacksBf16 }, async () => {
    const fc7 = [work.folder, '--layer', 'fc7', '--precision'];
    const fp32 = await written('fp32.npy', ...fc7, 'fp32');
    const bf16 = await written('bf16.npy', ...fc7, 'bf16');
    assert.notDeepEqual(await readFile(bf16), await readFile(fp32));
  });

  test('refuses a precision that the backend does not have', async () => {
    const fc7 = [work.folder, '--layer', 'fc7', '--precision'];
    const refused = vgg`features ${fc7} f16 ${common} --out ${work.path('f16.npy')}`;
    await failed(refused, 2, /precision f16 .*webgpu/);
  });

  test('maps of several sizes go into .safetensors, and not into .npy', async () => {
    const whole = words`--layer pool2 --view whole --scales 64`;
    const { tensors } = await readSafetensors(await written('maps.safetensors', ...images, ...whole));
    assert.deepEqual(tensors.get(images[2]!)!.shape, [2, 16, 32]);
    await failed(vgg`features ${images} ${common} ${whole} --out ${work.path('maps.npy')}`, 1, /one shape/);
  });
});
