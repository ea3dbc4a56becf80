import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAnnotation } from '../../../../src/data/boxes/annotation-xml.ts';
import { openBoxes } from '../../../../src/data/boxes/open-boxes.ts';
import { surveyImages } from '../../../../src/data/training/color-survey.ts';
import { listingOf } from '../../../../src/train/same-on-all-ranks.ts';
import { jpeg, temporaryFolder, writeFiles } from '../../../support/images.ts';

function annotation(objects: readonly string[], size = [60, 40]): string {
  return `<?xml version="1.0"?>
<annotation verified="yes">
  <!-- made for a test -->
  <size><width>${size[0]}</width><height>${size[1]}</height><depth>3</depth></size>
  ${objects.join('\n  ')}
</annotation>\n`;
}

function object(name: string, corners: readonly number[], difficult = 0): string {
  const [xmin, ymin, xmax, ymax] = corners;
  return `<object><name>${name}</name><difficult>${difficult}</difficult><part/>
    <bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object>`;
}

const SIZE = { width: 60, height: 40 };

describe('annotations as XML', () => {
  it('have objects with edges, which include the last pixels', () => {
    const text = annotation([object('cat', [1, 2, 60, 40]), object('dog', [3, 3, 4, 4], 1)]);
    assert.deepEqual(parseAnnotation(text, 'a.xml', 1), [
      { name: 'cat', isDifficult: false, box: { left: 0, top: 1, right: 60, bottom: 40 } },
      { name: 'dog', isDifficult: true, box: { left: 2, top: 2, right: 4, bottom: 4 } },
    ]);
  });

  const faults: Record<string, [text: string, message: RegExp]> = {
    'cut off': [annotation([object('cat', [0, 0, 9, 9])]).slice(0, 150), /a\.xml is not complete XML/],
    'with elements that do not nest': ['<annotation><object></annotation></object>', /not complete XML/],
    'of another kind': ['<html></html>', /has no element <annotation>/],
    'with a box outside the image': [
      annotation([object('cat', [0, 0, 9, 9]), object('cat', [10, 10, 70, 20])]),
      /a\.xml: object 2: the box \(10, 10, 70, 20\) reaches beyond the image of 60×40/,
    ],
    'with a box that is turned around': [
      annotation([object('cat', [9, 0, 1, 9])]),
      /object 1: .* is not a box/,
    ],
    'with a word for a number': [
      annotation([object('cat', [0, 0, 9, 9]).replace('<xmin>0', '<xmin>zero')]),
      /object 1: .* is not a box/,
    ],
    'with an object without a name': [
      annotation([object('cat', [0, 0, 9, 9]).replace('<name>cat</name>', '')]),
      /object 1 has no <name>/,
    ],
    'with an object without a box': [
      annotation(['<object><name>cat</name></object>']),
      /object 1 has no <bndbox>/,
    ],
  };
  for (const [title, [text, message]] of Object.entries(faults)) {
    it(`${title}: one sentence`, () => {
      assert.throws(() => parseAnnotation(text, 'a.xml', 0), message);
    });
  }

  it('never fail in another way', () => {
    const part = fc.constantFrom(
      '<annotation>',
      '</annotation>',
      '<object>',
      '</object>',
      '<a',
      '<!--',
      'x',
      '<name>b</name>',
      '<object/>',
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        try {
          parseAnnotation(parts.join(''), 'a.xml', 0);
        } catch (error) {
          assert.equal((error as Error).constructor.name, 'UserError');
        }
      }),
    );
  });
});

describe('boxes are found near the images', () => {
  it('of ILSVRC, as XML, for the class of the image; images without one are left out', async (t) => {
    const folder = await temporaryFolder(t);
    const images = ['n00000001', 'n00000002'].flatMap((synset) => [
      `${synset}/${synset}_1`,
      `${synset}/${synset}_2`,
    ]);
    for (const image of images)
      await writeFiles(folder, { [`Data/CLS-LOC/train/${image}.JPEG`]: await jpeg(60, 40) });
    await writeFiles(folder, {
      'Annotations/CLS-LOC/train/n00000001/n00000001_1.xml': annotation([
        object('n00000001', [0, 0, 29, 19]),
        object('n00000009', [0, 0, 59, 39]),
        object('n00000001', [40, 10, 49, 19]),
      ]),
      'Annotations/CLS-LOC/train/n00000002/n00000002_2.xml': annotation([object('n00000002', [5, 6, 7, 8])]),
    });
    const notes: string[] = [];
    const source = await openBoxes(folder, { onNote: (note) => notes.push(note) });
    assert.equal(source.length, 2);
    assert.deepEqual(source.boxes!(0, SIZE), [
      { left: 0, top: 0, right: 30, bottom: 20 },
      { left: 40, top: 10, right: 50, bottom: 20 },
    ]);
    assert.match(notes[0]!, /2 of 4 images of .* have no box and are left out/);
  });

  it('of ILSVRC: an annotation of another class only is refused', async (t) => {
    const folder = await temporaryFolder(t);
    for (const synset of ['n00000001', 'n00000002']) {
      await writeFiles(folder, {
        [`Data/CLS-LOC/train/${synset}/${synset}_1.JPEG`]: await jpeg(60, 40),
        [`Annotations/CLS-LOC/train/${synset}/${synset}_1.xml`]: annotation([
          object('n00000001', [0, 0, 9, 9]),
        ]),
      });
    }
    await assert.rejects(openBoxes(folder, {}), /n00000002_1\.xml: .* its boxes are of "n00000001"/);
  });

  it('of Tiny ImageNet, in its lists', async (t) => {
    const folder = await temporaryFolder(t);
    for (const [number, synset] of ['n00000001', 'n00000002'].entries()) {
      const name = `${synset}_0.JPEG`;
      await writeFiles(folder, {
        [`train/${synset}/images/${name}`]: await jpeg(64, 64),
        [`train/${synset}/${synset}_boxes.txt`]: `${name}\t${number}\t10\t63\t58\n`,
        [`val/images/val_${number}.JPEG`]: await jpeg(64, 64),
      });
    }
    await writeFiles(folder, {
      'val/val_annotations.txt': 'val_0.JPEG\tn00000001\t0\t32\t44\t62\nval_1.JPEG\tn00000002\t1\t1\t2\t2\n',
    });
    const size = { width: 64, height: 64 };
    const training = await openBoxes(folder, {});
    assert.deepEqual(training.boxes!(1, size), [{ left: 1, top: 10, right: 64, bottom: 59 }]);
    const validation = await openBoxes(folder, { split: 'val' });
    assert.deepEqual(validation.boxes!(0, size), [{ left: 0, top: 32, right: 45, bottom: 63 }]);
    assert.throws(
      () => validation.boxes!(0, { width: 40, height: 64 }),
      /val_annotations\.txt: line 1: the box/,
    );
  });

  it("of VOC: those of the largest object's class, without difficult objects", async (t) => {
    const folder = await temporaryFolder(t);
    const lists = { cat: '0001  1\n0002 -1\n0003 -1\n', dog: '0001 -1\n0002  1\n0003  0\n' };
    for (const id of ['0001', '0002', '0003'])
      await writeFiles(folder, { [`JPEGImages/${id}.jpg`]: await jpeg(60, 40) });
    await writeFiles(folder, {
      'ImageSets/Main/cat_train.txt': lists.cat,
      'ImageSets/Main/dog_train.txt': lists.dog,
      'Annotations/0001.xml': annotation([object('cat', [1, 1, 30, 20]), object('dog', [1, 1, 60, 40], 1)]),
      'Annotations/0002.xml': annotation([object('dog', [1, 1, 30, 20]), object('dog', [31, 21, 40, 30])]),
      'Annotations/0003.xml': annotation([object('dog', [1, 1, 60, 40], 1)]),
    });
    const notes: string[] = [];
    const source = await openBoxes(folder, { onNote: (note) => notes.push(note) });
    assert.match(notes.join(), /^1 of 3 images of .* have no object that is not difficult and are left out$/);
    assert.deepEqual([0, 1].map(source.label), [0, 1]);
    assert.equal(source.length, 2);
    assert.deepEqual(source.boxes!(1, SIZE), [
      { left: 0, top: 0, right: 30, bottom: 20 },
      { left: 30, top: 20, right: 40, bottom: 30 },
    ]);
    await writeFiles(folder, { 'Annotations/0002.xml': annotation([object('cow', [1, 1, 30, 20])]) });
    await assert.rejects(openBoxes(folder, {}), /0002\.xml has an object of the class "cow", for which/);
  });

  it('in a CSV file, by the end of a path', async (t) => {
    const folder = await temporaryFolder(t);
    for (const name of ['a', 'b']) await writeFiles(folder, { [`photos/${name}/1.jpg`]: await jpeg(60, 40) });
    const list = `${folder}/boxes.csv`;
    await writeFiles(folder, {
      'boxes.csv': 'image,xmin,ymin,xmax,ymax\na/1.jpg,0,0,9,9\n1.jpg,10,10,19,19\n',
    });
    const source = await openBoxes(`${folder}/photos`, { boxes: list });
    assert.deepEqual(
      [0, 1].map((index) => source.boxes!(index, SIZE)[0]!.left),
      [0, 10],
    );
    const listing = listingOf(source);
    await writeFiles(folder, { 'boxes.csv': 'image,xmin,ymin,xmax,ymax\n1.jpg,10,10,19,19\n' });
    const other = await openBoxes(`${folder}/photos`, { boxes: list });
    assert.notEqual(listingOf(other), listing, 'ranks with other boxes are told apart');
    await writeFiles(folder, { 'boxes.csv': 'image,xmin,xmax,ymax\na/1.jpg,0,9,9\n' });
    await assert.rejects(openBoxes(`${folder}/photos`, { boxes: list }), /boxes\.csv lacks the column ymin/);
    await writeFiles(folder, { 'boxes.csv': 'image,xmin,ymin,xmax,ymax\nc/2.jpg,0,0,9,9\n' });
    await assert.rejects(openBoxes(`${folder}/photos`, { boxes: list }), /has no boxes of the images/);
  });

  const photos = async (folder: string) => {
    const image = await jpeg(60, 40);
    await writeFiles(folder, { 'photos/a/1.jpg': image, 'photos/b/2.jpg': image });
  };

  const lists: Record<string, [text: string, message: RegExp]> = {
    'with a column twice': ['image,xmin,ymin,xmin,ymax,xmax\na/1.jpg,0,0,5,9,9\n', /has two columns xmin;/],
    'with empty lines before a fault': [
      'image,xmin,ymin,xmax,ymax\n\n\na/1.jpg,0,0,9,9\n\na/1.jpg,9,0,0,9\n',
      /boxes\.csv: line 6: .* is not a box/,
    ],
    'with nothing but its columns': ['image,xmin,ymin,xmax,ymax\n', /boxes\.csv has no boxes of the images/],
  };
  for (const [title, [text, message]] of Object.entries(lists)) {
    it(`in a CSV file ${title}: one sentence`, async (t) => {
      const folder = await temporaryFolder(t);
      await photos(folder);
      await writeFiles(folder, { 'boxes.csv': text });
      await assert.rejects(openBoxes(`${folder}/photos`, { boxes: `${folder}/boxes.csv` }), message);
    });
  }

  it('outside its image make it one that cannot be used', async (t) => {
    const folder = await temporaryFolder(t);
    await photos(folder);
    const list = `${folder}/boxes.csv`;
    await writeFiles(folder, { 'boxes.csv': 'image,xmin,ymin,xmax,ymax\n1.jpg,0,0,9,9\n2.jpg,0,0,70,9\n' });
    const { bad } = await surveyImages(await openBoxes(`${folder}/photos`, { boxes: list }), {
      cacheFolder: `${folder}/cache`,
    });
    assert.deepEqual(
      bad.map(({ index }) => index),
      [1],
    );
    assert.match(bad[0]!.message, /boxes\.csv: line 3: .* reaches beyond the image of 60×40/);
  });

  it('are needed for each image on request', async (t) => {
    const folder = await temporaryFolder(t);
    await photos(folder);
    await writeFiles(folder, { 'boxes.csv': 'image,xmin,ymin,xmax,ymax\n1.jpg,0,0,9,9\n' });
    await assert.rejects(
      openBoxes(`${folder}/photos`, { boxes: `${folder}/boxes.csv`, allBoxed: true }),
      /1 of 2 images of .* have no box, but each image is needed; add their boxes/,
    );
  });
});
