import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { chooseImages, openData } from '../../../src/api/evaluation-images.ts';
import { alone } from '../../../src/core/process-team.ts';
import { holdOutOfAll } from '../../../src/data/sources/hold-out.ts';
import { fingerprintOf, packFingerprints } from '../../../src/data/sources/image-fingerprints.ts';
import { openImages } from '../../../src/data/sources/open-images.ts';
import { selectImages } from '../../../src/data/sources/select-images.ts';
import type { Split } from '../../../src/data/sources/splits.ts';
import type { ModelFacts } from '../../../src/weights/model/metadata.ts';
import { type Files, folderWith, textOf, writeFiles } from '../../support/images.ts';
import { range } from '../../support/lists.ts';
import { refused } from '../../support/refused.ts';

/** Files whose content is their letter. */
const letters = (folder: string, text: string): Files =>
  Object.fromEntries([...text].map((letter) => [`${folder}/${letter}.jpg`, letter]));

const fingerprint = (letter: string) => fingerprintOf({ kind: 'encoded', bytes: Buffer.from(letter) });

/** A model that was trained on these letters and held out others. */
const trainedOn = (text: string): Partial<ModelFacts> => ({
  classes: ['cat', 'dog'],
  validation: { split: 'held-out', images: 1, trainedOn: packFingerprints([...text].map(fingerprint)) },
  provenance: {},
});

interface Chosen {
  readonly split?: Split;
  readonly models?: readonly Partial<ModelFacts>[];
}

/** The letters that are evaluated, their split, and the notes. */
async function choose(data: string, { split, models = [trainedOn('abdeg')] }: Chosen = {}) {
  const notes: string[] = [];
  const opened = await openData({ data, split, labels: 'required', onNote: (note) => notes.push(note) });
  const named = models.map((facts) => ({ path: 'm.safetensors', facts: facts as ModelFacts }));
  const chosen = await chooseImages(opened, named, alone);
  const texts = await Promise.all(range(chosen.source.length).map((index) => textOf(chosen.source, index)));
  return { texts: texts.join(''), split: chosen.split, trainedOn: chosen.trainedOn, notes };
}

const PHOTOS = { ...letters('cat', 'abc'), ...letters('dog', 'def') };
const HELD_OUT = { texts: 'cf', split: 'held-out', trainedOn: 4 };

describe('the images that a model is evaluated on', () => {
  it('are those that it was not trained on, wherever they are and whatever their names', async (t) => {
    const data = await folderWith(t, PHOTOS);
    const { notes, ...found } = await choose(data);
    assert.deepEqual(found, HELD_OUT);
    assert.match(notes[0]!, /^2 held-out images of .*; 4 were trained on and do not count/);
    await rename(`${data}/cat/a.jpg`, `${data}/cat/z.jpg`);
    await writeFiles(data, letters('dog', 'x'));
    assert.deepEqual((await choose(data)).texts, 'cfx');
    assert.deepEqual((await choose(data, { split: 'val' })).texts, 'cfx');
  });

  it('are the others if the training images are asked for by name', async (t) => {
    const data = await folderWith(t, PHOTOS);
    const { texts, split, notes } = await choose(data, { split: 'train' });
    assert.deepEqual([texts, split], ['abde', 'train']);
    assert.match(notes[0]!, /^4 training images of .*; the other 2 were not trained on/);
  });

  it('are all of another data set', async (t) => {
    const data = await folderWith(t, { ...letters('cat', 'xy'), ...letters('dog', 'z') });
    assert.deepEqual(await choose(data), { texts: 'xyz', split: undefined, trainedOn: 0, notes: [] });
    await refused(choose(data, { split: 'val' }), /not divided into splits, so it has no val split/, data);
  });

  it('are those of its own validation or test split, which is not read for this', async (t) => {
    const files = { ...letters('train/cat', 'ab'), ...letters('train/dog', 'de') };
    const tested = await folderWith(t, {
      ...files,
      ...letters('test/cat', 'm'),
      ...letters('test/dog', 'n'),
    });
    assert.deepEqual((await choose(tested)).split, 'test');
    const held = await folderWith(t, { ...files, ...letters('train/dog', 'f'), ...letters('test/cat', 'm') });
    assert.deepEqual((await choose(held, { split: 'val' })).texts, 'f');
    const onlyTraining = await folderWith(t, { ...files, ...letters('train/cat', 'c') });
    assert.deepEqual((await choose(onlyTraining)).texts, 'c');
  });

  it('are those that no model of an ensemble was trained on', async (t) => {
    const data = await folderWith(t, PHOTOS);
    const models = [trainedOn('abde'), trainedOn('c')];
    assert.deepEqual((await choose(data, { models })).texts, 'f');
    await refused(choose(data, { models: [trainedOn('abcdef')] }), /was trained on all 6 images/, data);
  });

  it('may be of one class', async (t) => {
    const data = await folderWith(t, letters('cat', 'abc'));
    assert.deepEqual((await choose(data)).texts, 'c');
  });

  it("follow an older version's hold-out if the images are as they were, otherwise a note warns", async (t) => {
    const data = await folderWith(t, PHOTOS);
    const all = await openImages(data);
    const { training, validation } = holdOutOfAll(6, 0.4, 3)!;
    const provenance = {
      recipe: 'holdout: 0.4\nseed: 3\n',
      dataFingerprint: await selectImages(all, training).fingerprint(),
    };
    const models = [{ classes: ['cat', 'dog'], provenance }];
    const expected = await Promise.all([...validation].map((image) => textOf(all, image)));
    assert.equal((await choose(data, { models })).texts, expected.join(''));
    await writeFiles(data, letters('cat', 'x'));
    const { texts, notes } = await choose(data, { models });
    assert.equal(texts.length, 7);
    assert.match(notes[0]!, /^warning: m\.safetensors does not record the images that it was trained on/);
    const converted = await choose(data, { models: [{ classes: ['cat', 'dog'], provenance: {} }] });
    assert.deepEqual(converted.notes, []);
  });
});
