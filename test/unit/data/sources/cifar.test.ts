import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UserError } from '../../../../src/core/errors.ts';
import { cifarImage, parseCifar } from '../../../../src/data/sources/cifar.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { folderWith, labelsOf, temporaryFolder, writeFiles } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused, userError } from '../../../support/refused.ts';

/** Records whose pixel (x, y) of channel c is a function of the label. */
function records(labelBytes: number, labels: readonly number[]): Uint8Array {
  return Buffer.concat(
    labels.map((label) => {
      const record = Buffer.alloc(labelBytes + 3072, 7);
      record[labelBytes - 1] = label;
      for (let i = 0; i < 3072; i++) record[labelBytes + i] = value(label, i);
      return record;
    }),
  );
}

function value(label: number, planar: number): number {
  return (label * 31 + planar * 7) % 256;
}

const names = (count: number, prefix: string) =>
  `${range(count)
    .map((i) => `${prefix} ${i}`)
    .join('\n')}\n\n`;
const batch = (n: number, count: number) => [`data_batch_${n}.bin`, records(1, Array(count).fill(n))];
const batches = (count: number) => Object.fromEntries([1, 2, 3, 4, 5].map((n) => batch(n, count)));

describe('parseCifar', () => {
  it('returns what was written', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
        (labelBytes, labels) => {
          const parsed = parseCifar(records(labelBytes, labels), { classes: 10, labelBytes }, 'x');
          assert.deepEqual([...parsed.labels], labels);
          labels.forEach((label, index) => {
            const { pixels } = cifarImage(parsed, index);
            for (const i of [0, 1, 31, 32, 1023]) {
              for (const channel of [0, 1, 2])
                assert.equal(pixels[3 * i + channel], value(label, channel * 1024 + i));
            }
          });
        },
      ),
    );
  });

  it('refuses parts of records and labels out of range, by name', () => {
    const whole = records(1, [1, 2]);
    const parse = (bytes: Uint8Array) => parseCifar(bytes, { classes: 10, labelBytes: 1 }, 'a.bin');
    fc.assert(
      fc.property(fc.nat(whole.length - 1), (length) => {
        if (length === 3073) return;
        assert.throws(() => parse(whole.subarray(0, length)), UserError);
      }),
    );
    assert.throws(() => parse(records(1, [1, 10])), userError(/^a\.bin: label 10 of image 1/));
  });
});

describe('a folder of CIFAR', () => {
  it('10 has five training files and one for the rest', async (t) => {
    const folder = await temporaryFolder(t);
    const inner = join(folder, 'cifar-10-batches-bin');
    await writeFiles(inner, {
      'batches.meta.txt': names(10, 'name'),
      ...batches(2),
      'test_batch.bin': records(1, [0, 9, 3]),
    });
    for (const location of [folder, inner]) {
      const train = await openImages(location);
      assert.deepEqual([train.length, train.classes[3], train.split], [10, 'name 3', 'train']);
      assert.deepEqual(labelsOf(train), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
      assert.match(train.imageName(5), /data_batch_3\.bin image 1$/);
      const stored = await train.read(4);
      assert.ok(stored.kind === 'pixels');
      assert.equal(stored.image.pixels[1], value(3, 1024));
      const val = await openImages(location, { split: 'val' });
      assert.deepEqual([val.length, val.split, val.label(1)], [3, 'test', 9]);
    }
  });

  it('100 has fine labels after coarse ones', async (t) => {
    const folder = await folderWith(t, {
      'fine_label_names.txt': names(100, 'fine'),
      'train.bin': records(2, [99, 5]),
      'test.bin': records(2, [1]),
    });
    const source = await openImages(folder);
    assert.deepEqual([source.length, source.label(0), source.classes[99]], [2, 99, 'fine 99']);
  });

  it('is refused when a file is missing or the names are not all there', async (t) => {
    const { 'data_batch_4.bin': _, ...rest } = batches(1);
    const folder = await folderWith(t, { 'batches.meta.txt': names(10, 'name'), ...rest });
    await refused(openImages(folder), /data_batch_4\.bin is missing; unpack the archive again/);
    await writeFiles(folder, { 'batches.meta.txt': 'cat\ndog\n' });
    await refused(openImages(folder), /batches\.meta\.txt names 2 classes instead of 10/);
  });
});
