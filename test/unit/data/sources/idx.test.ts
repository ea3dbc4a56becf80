import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { UserError } from '../../../../src/core/errors.ts';
import { parseIdx } from '../../../../src/data/sources/idx.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { idx, temporaryFolder, writeFiles } from '../../../support/images.ts';

const images = (count: number) =>
  idx(
    [count, 2, 3],
    Uint8Array.from({ length: count * 6 }, (_, i) => i),
  );
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
      assert.throws(
        () => parseIdx(whole.subarray(0, length), 3, 'train-images'),
        /^UserError: train-images is not a complete IDX file: .*; download it again$/,
      );
    }
    assert.throws(
      () => parseIdx(Buffer.concat([whole, Buffer.of(0)]), 3, 'x'),
      /promises 18 bytes of values, but 19 follow/,
    );
  });

  it('never fails otherwise, whatever the bytes', () => {
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
    assert.deepEqual(
      [0, 1, 2].map((i) => train.label(i)),
      [2, 0, 1],
    );
    const stored = await train.read(1);
    assert.ok(stored.kind === 'pixels');
    assert.deepEqual([stored.image.width, stored.image.height], [3, 2]);
    assert.deepEqual(
      [...stored.image.pixels],
      [6, 7, 8, 9, 10, 11].flatMap((gray) => [gray, gray, gray]),
    );
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
    assert.deepEqual(
      [source.classes.length, source.labels[9], source.labels[0]],
      [10, 'Ankle boot', 'T-shirt/top'],
    );
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

  it('is refused when it is incomplete', async (t) => {
    const refused = async (files: Record<string, Uint8Array>, message: RegExp, name = 'set') => {
      const folder = join(await temporaryFolder(t), name);
      await writeFiles(folder, files);
      await assert.rejects(openImages(folder), (error: unknown) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        return true;
      });
    };
    const [imagesFile, labelsFile] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'];
    await refused(
      { [imagesFile]: images(2) },
      /has no file of labels beside it; add .*train-labels-idx1-ubyte/,
    );
    await refused({ [imagesFile]: images(2), [labelsFile]: labels(1) }, /has 2 images, but .* has 1 labels/);
    await refused(
      { [imagesFile]: labels(1), [labelsFile]: labels(1) },
      /starts with 0x00000801 instead of 0x00000803/,
    );
    await refused({ [imagesFile]: images(0), [labelsFile]: labels() }, /holds no pixels/);
    await refused(
      { [imagesFile]: images(1), [labelsFile]: labels(10) },
      /label 10 of image 0 is not one of the 10 classes/,
      'fashion-mnist',
    );
    await refused(
      { [`${imagesFile}.gz`]: gzipSync(images(2)).subarray(0, 20), [labelsFile]: labels(1, 0) },
      /cannot be unpacked .*download it again/,
    );
    await refused(
      { 't10k-images-idx3-ubyte': images(1), 't10k-labels-idx1-ubyte': labels(1) },
      /no IDX files for the split train/,
    );
    await refused(
      {
        'emnist-digits-train-images-idx3-ubyte': images(1),
        'emnist-digits-train-labels-idx1-ubyte': labels(1),
        'emnist-letters-train-images-idx3-ubyte': images(1),
        'emnist-letters-train-labels-idx1-ubyte': labels(1),
      },
      /holds several data sets/,
    );
  });
});
