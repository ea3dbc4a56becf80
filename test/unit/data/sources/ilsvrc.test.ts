/** ILSVRC-2012 in its layouts. The development kit's numbers do not follow the sorted synsets. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { openImages } from '../../../../src/data/sources/open-images.ts';
import { folderWith, labelsOf, tar, temporaryFolder, textOf, writeFiles } from '../../../support/images.ts';
import { refused } from '../../../support/refused.ts';

/** By ILSVRC2012_ID. */
const WORDS = {
  1: ['n02119789', 'kit fox, Vulpes macrotis'],
  449: ['n01440764', 'tench, Tinca tinca'],
  382: ['n03000684', 'chain saw, chainsaw'],
} as const;
const SORTED = ['n01440764', 'n02119789', 'n03000684'];
const NAMES = ['tench, Tinca tinca', 'kit fox, Vulpes macrotis', 'chain saw, chainsaw'];
/** The classes of the five validation images, as ILSVRC2012_IDs and as class numbers. */
const TRUTH = [382, 1, 1, 449, 382] as const;
const LABELS = [2, 1, 1, 0, 2];

const validationName = (image: number): string => `ILSVRC2012_val_${String(image).padStart(8, '0')}`;
const validation = (folder: string): Record<string, string> =>
  Object.fromEntries(TRUTH.map((_, i) => [`${folder}/${validationName(i + 1)}.JPEG`, '']));
const training = (folder: string): Record<string, string> =>
  Object.fromEntries(SORTED.map((synset) => [`${folder}/${synset}/${synset}_1.JPEG`, '']));
const solutionRow = (id: (typeof TRUTH)[number], i: number) =>
  `${validationName(i + 1)},${WORDS[id][0]} 1 2 3 4 ${WORDS[1][0]} 5 6 7 8 `;
const solution = ['ImageId,PredictionString', ...TRUTH.map(solutionRow).reverse()].join('\n');
const mapping = Object.values(WORDS)
  .map(([synset, name]) => `${synset} ${name}`)
  .join('\n');

/** Nothing reads meta.mat. */
const kit = (folder: string) => ({
  [`${folder}/data/ILSVRC2012_validation_ground_truth.txt`]: `${TRUTH.join('\n')}\n`,
  [`${folder}/data/meta.mat`]: 'MATLAB 5.0 MAT-file',
});

async function expectValidation(location: string, names: readonly string[] = NAMES): Promise<void> {
  const source = await openImages(location, { split: 'val' });
  assert.deepEqual(source.classes, SORTED);
  assert.deepEqual(labelsOf(source), LABELS);
  assert.deepEqual(source.labels, names);
  assert.equal(source.split, 'val');
  assert.match(source.imageName(0), /ILSVRC2012_val_00000001\.JPEG$/);
}

const refusesValidation = (location: string, message: RegExp) =>
  refused(openImages(location, { split: 'val' }), message);

describe("Kaggle's ILSVRC-2012", () => {
  const inner = 'ILSVRC/Data/CLS-LOC';
  const files = {
    ...training(`${inner}/train`),
    ...validation(`${inner}/val`),
    [`${inner}/test/ILSVRC2012_test_00000001.JPEG`]: '',
    'LOC_val_solution.csv': solution,
    'LOC_synset_mapping.txt': mapping,
  };

  it('opens from the top and from each folder below', async (t) => {
    const folder = await folderWith(t, files);
    for (const below of ['', 'ILSVRC', 'ILSVRC/Data', inner, `${inner}/val`]) {
      const location = join(folder, below);
      const source = await openImages(location, { split: 'val' });
      assert.deepEqual([source.classes, labelsOf(source), source.labels], [SORTED, LABELS, NAMES], below);
    }
    await expectValidation(folder);
    const train = await openImages(folder);
    assert.deepEqual([train.classes, labelsOf(train), train.labels], [SORTED, [0, 1, 2], NAMES]);
    const test = await openImages(folder, { split: 'test', labels: 'optional' });
    assert.deepEqual([labelsOf(test), test.classes, test.split], [[-1], SORTED, 'test']);
  });

  it('opens without training images', async (t) => {
    const folder = await folderWith(t, files);
    await rm(join(folder, inner, 'train'), { recursive: true });
    await expectValidation(folder);
  });

  it('is refused when the csv lacks a row, a column or is missing', async (t) => {
    const short = solution.replace(/^.*val_00000004.*\n/m, '');
    const folder = await folderWith(t, { ...files, 'LOC_val_solution.csv': short });
    await refusesValidation(folder, /LOC_val_solution\.csv has no row for ILSVRC2012_val_00000004; download/);
    await writeFiles(folder, { 'LOC_val_solution.csv': 'a,b\n1,2\n' });
    await refusesValidation(folder, /has no columns ImageId and PredictionString/);
    await writeFiles(folder, { 'LOC_val_solution.csv': 'a,b\n1,2,3\n' });
    await refusesValidation(folder, /LOC_val_solution\.csv is not a complete CSV file/);
    await rm(join(folder, 'LOC_val_solution.csv'));
    await refusesValidation(
      folder,
      /val holds the validation images without their labels; put LOC_val_solution\.csv/,
    );
  });

  it('is refused when an image is of a class without training images', async (t) => {
    const folder = await folderWith(t, files);
    await rm(join(folder, inner, 'train', SORTED[2]!), { recursive: true });
    const unknown =
      /ILSVRC2012_val_00000001\.JPEG is of class n03000684, which the training images do not have/;
    await refusesValidation(folder, unknown);
  });
});

describe('the original ILSVRC-2012', () => {
  const files = { ...training('train'), ...validation('val') };

  it('takes its labels from the development kit, with classes in sorted order', async (t) => {
    for (const place of ['ILSVRC2012_devkit_t12', '.']) {
      const folder = await folderWith(t, { ...files, ...kit(place) });
      // No list of names is near.
      await expectValidation(folder, SORTED);
      assert.deepEqual(labelsOf(await openImages(folder)), [0, 1, 2]);
    }
  });

  it('opens without training images, from the folder of the validation images too', async (t) => {
    const folder = await folderWith(t, {
      ...validation('ILSVRC2012_img_val'),
      ...kit('ILSVRC2012_devkit_t12'),
      'synset_words.txt': mapping,
    });
    await expectValidation(folder);
    await expectValidation(join(folder, 'ILSVRC2012_img_val'));
  });

  it('may have only a part of the validation images', async (t) => {
    const folder = await folderWith(t, { ...files, ...kit('devkit') });
    await rm(join(folder, `val/${validationName(2)}.JPEG`));
    assert.deepEqual(labelsOf(await openImages(folder, { split: 'val' })), [2, 1, 0, 2]);
  });

  it('is refused when the kit does not fit', async (t) => {
    const folder = await folderWith(t, { ...files, ...kit('.') });
    const truth = 'data/ILSVRC2012_validation_ground_truth.txt';
    await writeFiles(folder, { [truth]: '382\n1\n' });
    await refusesValidation(folder, /ground_truth\.txt has 2 lines and none for ILSVRC2012_val_00000003/);
    await writeFiles(folder, { [truth]: '382\n1\n1001\n449\n382\n' });
    await refusesValidation(folder, /ground_truth\.txt: line 3: 1001 is not an ILSVRC2012_ID \(1 to 1000\)/);
  });

  it('may have a tar file for each training class', async (t) => {
    const folder = await folderWith(t, { ...validation('val'), ...kit('devkit') });
    for (const synset of SORTED) {
      const images = { [`${synset}_1.JPEG`]: synset, [`${synset}_2.JPEG`]: 'x' };
      await writeFiles(folder, { [`train/${synset}.tar`]: await tar(Object.entries(images)) });
    }
    const cacheFolder = await temporaryFolder(t);
    const train = await openImages(folder, { cacheFolder });
    assert.deepEqual([train.classes, labelsOf(train)], [SORTED, [0, 0, 1, 1, 2, 2]]);
    assert.equal(await textOf(train, 2), SORTED[1]);
    await expectValidation(folder, SORTED);
  });
});
