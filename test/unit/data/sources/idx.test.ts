import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { UserError } from '../../../../src/core/errors.ts';
import { parseIdx } from '../../../../src/data/sources/idx.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { idx, labelsOf, temporaryFolder, writeFiles } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused, userError } from '../../../support/refused.ts';

const images = (count: number) => idx([count, 2, 3], Uint8Array.from(range(count * 6)));
const labels = (...values: number[]) => idx([values.length], Uint8Array.from(values));

describe('parseIdx', () => {
  const shape = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 });

  it('returns what was written', () => {
    fc.assert(
      fc.property(shape, fc.infiniteStream(fc.nat(255)), (extents, draws) => {
        const size = extents.reduce((product, extent) => product * extent, 1);
        const values = Uint8Array.from({ length: size }, () => draws.next().value!);
        const parsed = parseIdx(idx(extents, values), extents.length, 'x');
        assert.deepEqual(parsed.shape, extents);
        assert.deepEqual([...parsed.values], [...values]);
      }),
    );
  });

  it('refuses every shorter and longer file by name', () => {
    const whole = images(3);
    for (let length = 0; length < whole.length; length++) {
      const parse = () => parseIdx(whole.subarray(0, length), 3, 'train-images');
      assert.throws(parse, userError(/^train-images is not a complete IDX file: .*; download it again$/));
    }
    const longer = Buffer.concat([whole, Buffer.of(0)]);
    assert.throws(() => parseIdx(longer, 3, 'x'), /promises 18 bytes of values, but 19 follow/);
  });

  it('throws nothing but a UserError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 3 }), (bytes, dimensions) => {
        try {
          parseIdx(bytes, dimensions, 'x');
        } catch (error) {
          assert.ok(error instanceof UserError);
        }
      }),
    );
  });
});

describe('a folder of IDX files', () => {
  it('gives both splits, grayscale as RGB, compressed or not', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, {
      'train-images-idx3-ubyte.gz': gzipSync(images(3)),
      'train-labels-idx1-ubyte.gz': gzipSync(labels(2, 0, 1)),
      't10k-images-idx3-ubyte': images(2),
      't10k-labels-idx1-ubyte': labels(1, 0),
    });
    const train = await openImages(folder);
    assert.deepEqual([train.length, train.split, train.classes], [3, 'train', ['0', '1', '2']]);
    assert.deepEqual(labelsOf(train), [2, 0, 1]);
    const pixels = Uint8Array.of(6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11);
    assert.deepEqual(await train.read(1), { kind: 'pixels', image: { width: 3, height: 2, pixels } });
    assert.match(train.imageName(1), /train-images-idx3-ubyte\.gz image 1$/);
    const val = await openImages(folder, { split: 'val' });
    assert.deepEqual([val.length, val.split, val.classes], [2, 'test', ['0', '1', '2']]);
    assert.notEqual(await val.fingerprint(), await train.fingerprint());
    assert.equal((await openImages(join(folder, 't10k-images-idx3-ubyte'))).length, 2);
  });

  it('has the names of Fashion-MNIST', async (t) => {
    const folder = join(await temporaryFolder(t), 'fashion-mnist');
    await writeFiles(folder, { 'train-images-idx3-ubyte': images(1), 'train-labels-idx1-ubyte': labels(9) });
    const source = await openImages(folder);
    assert.equal(source.classes.length, 10);
    assert.deepEqual([source.labels[9], source.labels[0]], ['Ankle boot', 'T-shirt/top']);
  });

  it('uses the mapping file of EMNIST, and accepts other names of the files', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, {
      'emnist-letters-train-images-idx3-ubyte': images(2),
      'emnist-letters-train-labels-idx1-ubyte': labels(1, 2),
      'emnist-letters-mapping.txt': '1 65 97\n2 66 98\n',
    });
    assert.deepEqual((await openImages(folder)).classes, ['0', 'Aa', 'Bb']);
    const kaggle = await temporaryFolder(t);
    await writeFiles(kaggle, { 'train-images.idx3-ubyte': images(1), 'train-labels.idx1-ubyte': labels(1) });
    assert.equal((await openImages(kaggle)).length, 1);
  });

  const [imagesFile, labelsFile] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'];
  const emnist = (part: string) => ({
    [`emnist-${part}-${imagesFile}`]: images(1),
    [`emnist-${part}-${labelsFile}`]: labels(1),
  });
  const pair = (images: Uint8Array, labels: Uint8Array) => ({ [imagesFile]: images, [labelsFile]: labels });
  const cut = gzipSync(images(2)).subarray(0, 20);
  for (const [what, files, message] of [
    ['no labels', { [imagesFile]: images(2) }, /has no label file next to it; add .*train-labels-idx1-ubyte/],
    ['fewer labels than images', pair(images(2), labels(1)), /has 2 images, but .* has 1 labels/],
    ['labels as images', pair(labels(1), labels(1)), /starts with 0x00000801 instead of 0x00000803/],
    ['no images', pair(images(0), labels()), /holds no pixels/],
    ['an unknown label', pair(images(1), labels(10)), /label 10 of image 0 is not one of the 10 classes/],
    [
      'a truncated archive',
      { [`${imagesFile}.gz`]: cut, [labelsFile]: labels(1, 0) },
      /cannot be unpacked .*download it again/,
    ],
    [
      'no training images',
      { 't10k-images-idx3-ubyte': images(1), 't10k-labels-idx1-ubyte': labels(1) },
      /no IDX files for the split train/,
    ],
    ['two data sets', { ...emnist('digits'), ...emnist('letters') }, /holds several data sets/],
  ] as const) {
    it(`is refused with ${what}`, async (t) => {
      const folder = join(await temporaryFolder(t), 'fashion-mnist');
      await writeFiles(folder, files);
      await refused(openImages(folder), message);
    });
  }
});
