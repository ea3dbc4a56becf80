/** ILSVRC-2012 in its layouts, with a development kit whose numbers do not follow the sorted synsets. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { UserError } from '../../../../src/core/errors.ts';
import type { MatValue } from '../../../../src/data/sources/ilsvrc/matlab.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import type { ImageSource } from '../../../../src/data/sources/source.ts';
import { tar, temporaryFolder, writeFiles } from '../../../support/images.ts';
import { mat } from './mat-writer.ts';

/** In the kit's order; an inner node of WordNet, above the classes, comes last. */
const KIT = [
  { id: 1, synset: 'n02119789', words: 'kit fox, Vulpes macrotis' },
  { id: 2, synset: 'n01440764', words: 'tench, Tinca tinca' },
  { id: 3, synset: 'n03000684', words: 'chain saw, chainsaw' },
  { id: 1001, synset: 'n00001740', words: 'entity' },
];
const SORTED = ['n01440764', 'n02119789', 'n03000684'];
const NAMES = ['tench, Tinca tinca', 'kit fox, Vulpes macrotis', 'chain saw, chainsaw'];
/** What the five validation images show, as ILSVRC2012_ID and as class numbers. */
const TRUTH = [3, 1, 1, 2, 3];
const LABELS = [2, 1, 1, 0, 2];

const validationName = (image: number): string => `ILSVRC2012_val_${String(image).padStart(8, '0')}`;
const validation = (folder: string): Record<string, string> =>
  Object.fromEntries(TRUTH.map((_, i) => [`${folder}/${validationName(i + 1)}.JPEG`, '']));
const training = (folder: string): Record<string, string> =>
  Object.fromEntries(SORTED.map((synset) => [`${folder}/${synset}/${synset}_1.JPEG`, '']));
const solution = [
  'ImageId,PredictionString',
  ...TRUTH.map(
    (id, i) => `${validationName(i + 1)},${KIT[id - 1]!.synset} 1 2 3 4 ${KIT[0]!.synset} 5 6 7 8 `,
  ).reverse(),
].join('\n');
const mapping = KIT.slice(0, 3)
  .map(({ synset, words }) => `${synset} ${words}`)
  .join('\n');

function metaMat(): Buffer {
  const text = (value: string): MatValue => ({ kind: 'text', text: value });
  const number = (value: number): MatValue => ({ kind: 'numbers', shape: [1, 1], values: [value] });
  const elements = KIT.map(
    ({ id, synset, words }) =>
      new Map([
        ['ILSVRC2012_ID', number(id)],
        ['WNID', text(synset)],
        ['words', text(words)],
        ['num_children', number(0)],
      ]),
  );
  return mat(
    { synsets: { kind: 'struct', shape: [elements.length, 1], elements } },
    { compress: true, storage: 'smallest' },
  );
}

const kit = (folder: string) => ({
  [`${folder}/data/ILSVRC2012_validation_ground_truth.txt`]: `${TRUTH.join('\n')}\n`,
  [`${folder}/data/meta.mat`]: metaMat(),
});

const labelsOf = (source: ImageSource): number[] =>
  Array.from({ length: source.length }, (_, i) => source.label(i));

async function expectValidation(location: string, names: readonly string[] = NAMES): Promise<void> {
  const source = await openImages(location, { split: 'val' });
  assert.deepEqual(source.classes, SORTED);
  assert.deepEqual(labelsOf(source), LABELS);
  assert.deepEqual(source.labels, names);
  assert.equal(source.split, 'val');
  assert.match(source.imageName(0), /ILSVRC2012_val_00000001\.JPEG$/);
}

const refused = (location: string, message: RegExp) =>
  assert.rejects(openImages(location, { split: 'val' }), (error: unknown) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, message);
    return true;
  });

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
    const folder = await temporaryFolder(t);
    await writeFiles(folder, files);
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
    const folder = await temporaryFolder(t);
    await writeFiles(folder, files);
    await rm(join(folder, inner, 'train'), { recursive: true });
    await expectValidation(folder);
  });

  it('is refused when the csv lacks a row, a column or is missing', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, {
      ...files,
      'LOC_val_solution.csv': solution.replace(/^.*val_00000004.*\n/m, ''),
    });
    await refused(folder, /LOC_val_solution\.csv has no row for ILSVRC2012_val_00000004; download/);
    await writeFiles(folder, { 'LOC_val_solution.csv': 'a,b\n1,2\n' });
    await refused(folder, /has no columns ImageId and PredictionString/);
    await writeFiles(folder, { 'LOC_val_solution.csv': 'a,b\n1,2,3\n' });
    await refused(folder, /LOC_val_solution\.csv is not a whole CSV file/);
    await rm(join(folder, 'LOC_val_solution.csv'));
    await refused(folder, /val holds the validation images without their labels; put LOC_val_solution\.csv/);
  });

  it('is refused when an image is of a class without training images', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, files);
    await rm(join(folder, inner, 'train', SORTED[2]!), { recursive: true });
    await refused(
      folder,
      /ILSVRC2012_val_00000001\.JPEG is of class n03000684, which the training images do not have/,
    );
  });
});

describe('the original ILSVRC-2012', () => {
  const files = { ...training('train'), ...validation('val') };

  it('takes its labels from the development kit, in sorted order', async (t) => {
    for (const place of ['ILSVRC2012_devkit_t12', '.']) {
      const folder = await temporaryFolder(t);
      await writeFiles(folder, { ...files, ...kit(place) });
      // No list of names lies near: meta.mat is not among those.
      await expectValidation(folder, SORTED);
      assert.deepEqual(labelsOf(await openImages(folder)), [0, 1, 2]);
    }
  });

  it('takes map_clsloc.txt where there is no meta.mat', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, { ...files, ...kit('ILSVRC2012_devkit_t12') });
    const data = join(folder, 'ILSVRC2012_devkit_t12/data');
    await rm(join(data, 'meta.mat'));
    await refused(folder, /data has neither meta\.mat nor map_clsloc\.txt/);
    await writeFiles(data, {
      'map_clsloc.txt': 'n02119789 1 kit_fox\nn01440764 2 tench\nn03000684 3 chain_saw\n',
    });
    await expectValidation(folder, SORTED);
    await rm(join(data, 'map_clsloc.txt'));
    // Caffe's list: sorted, without numbers.
    await writeFiles(data, { 'synsets.txt': `${SORTED.join('\n')}\n` });
    await refused(folder, /synsets\.txt: the line "n01440764" does not give a synset and its ILSVRC2012_ID/);
  });

  it('opens without training images, from the folder of the validation images too', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, {
      ...validation('ILSVRC2012_img_val'),
      ...kit('ILSVRC2012_devkit_t12'),
      'synset_words.txt': mapping,
    });
    await expectValidation(folder);
    await expectValidation(join(folder, 'ILSVRC2012_img_val'));
  });

  it('may have part of the validation images', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, { ...files, ...kit('devkit') });
    await rm(join(folder, `val/${validationName(2)}.JPEG`));
    assert.deepEqual(labelsOf(await openImages(folder, { split: 'val' })), [2, 1, 0, 2]);
  });

  it('is refused when the kit does not fit', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, { ...files, ...kit('.') });
    const truth = 'data/ILSVRC2012_validation_ground_truth.txt';
    await writeFiles(folder, { [truth]: '3\n1\n' });
    await refused(folder, /ground_truth\.txt has 2 lines and none for ILSVRC2012_val_00000003/);
    await writeFiles(folder, { [truth]: '3\n1\n77\n2\n3\n' });
    await refused(folder, /ground_truth\.txt: line 3: 77 is no ILSVRC2012_ID in .*meta\.mat/);
    await writeFiles(folder, { 'data/meta.mat': mat({ other: { kind: 'text', text: 'x' } }) });
    await refused(folder, /meta\.mat has no struct array "synsets"/);
    await writeFiles(folder, { 'data/meta.mat': metaMat().subarray(0, 200) });
    await refused(folder, /meta\.mat is not a whole MATLAB 5 file/);
  });

  it('may have a tar file for each training class', async (t) => {
    const folder = await temporaryFolder(t);
    const tars = await Promise.all(
      SORTED.map(
        async (synset) =>
          [
            `train/${synset}.tar`,
            await tar([
              [`${synset}_1.JPEG`, synset],
              [`${synset}_2.JPEG`, 'x'],
            ]),
          ] as const,
      ),
    );
    await writeFiles(folder, { ...Object.fromEntries(tars), ...validation('val'), ...kit('devkit') });
    const cacheFolder = await temporaryFolder(t);
    const train = await openImages(folder, { cacheFolder });
    assert.deepEqual([train.classes, labelsOf(train)], [SORTED, [0, 0, 1, 1, 2, 2]]);
    const stored = await train.read(2);
    assert.equal(stored.kind === 'encoded' && Buffer.from(stored.bytes).toString(), SORTED[1]);
    await expectValidation(folder, SORTED);
  });
});
