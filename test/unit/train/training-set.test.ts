import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { before, describe, it } from 'node:test';
import { fingerprintOf, unpackFingerprints } from '../../../src/data/sources/image-fingerprints.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { describeValidation, openTrainingSet } from '../../../src/train/training-set.ts';
import { jpeg, labelsOf, writeFiles } from '../../support/images.ts';
import { range } from '../../support/lists.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const temporary = new TemporaryFolder();

/** Writes images of different contents: a number for each folder. */
async function write(name: string, counts: Readonly<Record<string, number>>, seed = 0): Promise<string> {
  let next = seed;
  for (const [folder, count] of Object.entries(counts)) {
    for (const i of range(count))
      await writeFiles(temporary.path(name), {
        [`${folder}/${i}.jpg`]: await jpeg(36 + next, 36, next++ % 7),
      });
  }
  return temporary.path(name);
}

async function open(data: string, resumed?: 'recorded' | 'none') {
  const notes: string[] = [];
  const recipe = resolveRecipe({ crop: 32, scale: 36, holdout: 0.25 });
  const listener = { onNote: (note: string) => notes.push(note) };
  const { validationRecord: record, ...set } = await openTrainingSet(data, { recipe, listener, resumed });
  return { ...set, validationRecord: record, recorded: record, notes };
}

describe('the images of a training', () => {
  let cacheHome: string | undefined;
  before(() => {
    cacheHome = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = temporary.path('cache');
    return () => {
      process.env.XDG_CACHE_HOME = cacheHome;
    };
  });

  it('are divided by class if there are no others for validation, and the training images are recorded', async () => {
    const data = await write('undivided', { cat: 8, dog: 4 });
    const { training, validation, recorded, notes } = await open(data);
    assert.deepEqual(labelsOf(validation), [0, 0, 1]);
    assert.match(notes[0]!, /3 of 12 images are held out for validation$/);
    const read = await Promise.all(range(training.length).map((index) => training.read(index)));
    assert.deepEqual([recorded.split, recorded.images], ['held-out', 3]);
    assert.deepEqual(unpackFingerprints(recorded.trainedOn!), new Set(read.map(fingerprintOf)));
    // From the cache of the survey, which reads no image.
    assert.deepEqual((await open(data)).recorded, recorded);
  });

  it('do not include the test images, except in runs of older versions', async () => {
    const data = await write('tested', { 'Train/cat': 4, 'Train/dog': 4, 'Test/cat': 2, 'Test/dog': 2 });
    const { training, validation, recorded, notes } = await open(data);
    assert.deepEqual([training.length, validation.length, recorded.split], [6, 2, 'held-out']);
    assert.match(notes[0]!, /no val split: 2 of 8 training images are held out .* test images are not used$/);
    const older = await open(data, 'none');
    assert.deepEqual([older.training.length, older.validation.length, older.recorded.split], [8, 4, 'test']);
  });

  it('keep the hold-out of older versions in their runs', async () => {
    const data = await write('older', { cat: 6, dog: 6 });
    const older = await open(data, 'none');
    assert.equal(older.validation.length, 3);
    assert.equal(older.recorded.trainedOn, undefined);
    const again = await open(data, 'recorded');
    assert.deepEqual(labelsOf(again.validation), labelsOf((await open(data)).validation));
  });

  it('name the classes without a training or validation image', async () => {
    const single = await write('single', { cat: 8, dog: 1 });
    assert.match((await open(single)).warnings.join('\n'), /^1 of 2 classes has no validation image: dog;/);
    const fewer = await write('fewer', { 'train/cat': 2, 'train/dog': 2, 'val/dog': 1 });
    const { validation, recorded, warnings } = await open(fewer);
    assert.deepEqual([labelsOf(validation), recorded.split], [[1], 'val']);
    assert.match(warnings.join('\n'), /^1 of 2 classes has no validation image: cat;/);
    const none = await write('none', { cat: 1, dog: 1 });
    await refused(open(none), /only 2 images, no two of the same class \(cat, dog\)/, none);
  });

  it('are compared: copies of training images among the held-out ones are counted', async () => {
    const data = temporary.path('copies');
    const image = await jpeg(36, 36, 1);
    for (const i of range(4)) await writeFiles(data, { [`cat/${i}.jpg`]: image });
    await write('copies', { dog: 4 }, 2);
    assert.match(
      (await open(data)).warnings.join('\n'),
      /^1 of 2 held-out images is a copy of a training image,/,
    );
  });

  it('are compared: copies of training images in the own validation split are counted', async () => {
    const data = await write('own-copies/train', { cat: 4, dog: 4 }, 2).then(dirname);
    const image = await jpeg(36, 36, 1);
    await writeFiles(data, {
      'train/cat/original.jpg': image,
      'val/cat/copy.jpg': image,
      'val/dog/other.jpg': await jpeg(36, 36, 9),
    });
    assert.match(
      (await open(data)).warnings.join('\n'),
      /^1 of 2 validation images is a copy of a training image, .* remove the copies$/,
    );
  });

  it('say whether some class has more than twice as many validation images as another', async () => {
    const set = await open(await write('unbalanced', { cat: 12, dog: 4 }));
    assert.deepEqual(describeValidation(set), {
      split: 'held-out',
      images: 4,
      unbalanced: true,
      classes: 2,
      areBoxes: false,
      guessing: 0.25,
    });
  });
});
