import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { describeUnused } from '../../../../src/data/sources/folders/unused-files.ts';
import { parseList } from '../../../../src/data/sources/lists/list-file.ts';
import { listLocation } from '../../../../src/data/sources/lists/list-location.ts';
import { type OpenOptions, openImages, openSplits } from '../../../../src/data/sources/open-images.ts';
import { MissingSplitError } from '../../../../src/data/sources/splits.ts';
import { type Files, folderWith, listing, writeFiles } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

const IMAGES: Files = { 'a/1.jpg': '1', 'a/2.jpg': '2', 'b/3.jpg': '3', 'b/4.jpg': '4' };

/** Each image's path and class. */
async function labeled(folder: string, location: string, options?: OpenOptions): Promise<string[]> {
  const source = await openImages(location, options);
  return range(source.length).map(
    (i) => `${source.imageName(i).slice(folder.length + 1)} ${source.classes[source.label(i)]}`,
  );
}

const EXPECTED = ['a/1.jpg cat', 'a/2.jpg cat', 'b/3.jpg dog'];

describe('lists of images', () => {
  for (const [name, text] of [
    ['x.csv', 'a/1.jpg,cat\nb/3.jpg,dog\na/2.jpg,cat\n'],
    ['x.csv', '\ufeffImage Path,Class\r\n"b/3.jpg", dog\r\n\r\na/2.jpg,cat\r\na/1.jpg,"cat"'],
    ['x.csv', 'width;file_name;label\n3;a/1.jpg;cat\n3;a/2.jpg;cat\n4;b/3.jpg;dog\n'],
    ['x.csv', 'breed,id\ncat,a/1.jpg\ncat,a/2.jpg\ndog,b/3.jpg\n'],
    ['x.csv', 'cat,a/1.jpg\ncat,a/2.jpg\ndog,b/3.jpg\n'],
    ['x.csv', 'id,label\n1,cat\n2,cat\n3,dog\n'],
    ['x.csv', 'id,label\n2.jpg,cat\n1.jpg,cat\n3.jpg,dog\n'],
    ['x.csv', 'path,label\na\\1.jpg,cat\n.\\a\\2.jpg,cat\nb\\3.jpg,dog\n'],
    ['x.tsv', 'label\tpath\ncat\ta/1.jpg\ncat\ta/2.jpg\ndog\tb/3.jpg\n'],
    ['x.csv', 'sep=;\nfile;label\na/1.jpg;cat\na/2.jpg;cat\nb/3.jpg;dog\n'],
    ['x.csv', 'a/1.jpg|cat\na/2.jpg|cat\nb/3.jpg|dog\n'],
    ['x.csv', 'id,label\n1.JPG,cat\n2.JPG,cat\n3.Jpg,dog\n'],
    ['x.csv', 'path,label,label_name\na/1.jpg,0,cat\na/2.jpg,0,cat\nb/3.jpg,1,dog\n'],
    [
      'x.json',
      '[{"file_name":"a/1.jpg","label":"cat"},{"label":["cat"],"file_name":"a/2.jpg"},{"file_name":"b/3.jpg","label":"dog"}]',
    ],
    ['x.json', '{"a/1.jpg":"cat","a/2.jpg":"cat","b/3.jpg":"dog"}'],
    ['x.txt', 'a/1.jpg cat\na/2.jpg   cat\nb/3.jpg dog\n'],
    ['x.txt', '"a/1.jpg" cat\na/2.jpg cat\nb/3.jpg dog\n'],
    [
      'x.jsonl',
      '{"file_name":"a/1.jpg","label":"cat","box":[1]}\n{"label":"cat","file_name":"a/2.jpg"}\n{"file_name":"b/3.jpg","label":"dog"}',
    ],
  ] as const) {
    it(`may be ${name}: ${JSON.stringify(text.slice(0, 40))}`, async (t) => {
      const folder = await folderWith(t, { ...IMAGES, [name]: text });
      const found = await labeled(folder, join(folder, name));
      assert.deepEqual(found, EXPECTED);
    });
  }

  it('are read like the folder with the same classes, whatever the order of their lines', async (t) => {
    const folder = await folderWith(t, IMAGES);
    const expected = await listing(await openImages(folder));
    const rows = Object.keys(IMAGES).map((path) => `${path},${path[0]}`);
    for (const lines of [rows, rows.toReversed()]) {
      await writeFiles(folder, { 'list.csv': lines.join('\n') });
      const { location: _, ...source } = await openImages(join(folder, 'list.csv'));
      const found = await listing({ ...source, location: folder });
      assert.deepEqual(found, { ...(expected as object), unused: undefined });
    }
  });

  it('take class numbers by value, as in Caffe', async (t) => {
    const folder = await folderWith(t, {
      'train.txt': range(12)
        .map((i) => `${i}.jpg ${11 - i}`)
        .join('\n'),
      '3.jpg': '',
    });
    const source = await openImages(join(folder, 'train.txt'));
    assert.deepEqual(source.classes, range(12).map(String));
  });

  it('keep any fields through quoting', () => {
    const field = fc
      .string({ unit: 'binary' })
      .filter((text) => text.trim() === text && !/[\0\r\n\ufeff]/.test(text) && text !== '');
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(',', ';', '\t'),
        (rows, by) => {
          const text = [`path${by}label`, ...rows.map((row) => row.map(quote).join(by))].join('\n');
          const table = parseList(Buffer.from(text), 'x.csv');
          assert.deepEqual(table.header, ['path', 'label']);
          assert.deepEqual(table.rows, rows);
          assert.deepEqual(
            table.lines,
            rows.map((_, i) => i + 2),
          );
        },
      ),
    );
  });

  it('start from another folder, and use other columns, if told so', async (t) => {
    const folder = await folderWith(t, {
      'photos/1.jpg': '',
      'photos/2.jpg': '',
      'lists/x.csv': 'image,path,label,class\n1.jpg,9,3,cat\n2.jpg,8,3,dog\n',
    });
    const path = join(folder, 'lists/x.csv');
    await refused(
      openImages(path),
      'unclear which column',
      '"image", "path", "label", "class"',
      '--columns IMAGE,LABEL',
    );
    const location = listLocation(path, { root: join(folder, 'photos'), columns: 'image,4' });
    assert.deepEqual(await labeled(folder, location), ['photos/1.jpg cat', 'photos/2.jpg dog']);
    await refused(
      openImages(listLocation(path, { columns: 'image,dog' })),
      'has no column dog; its columns are',
    );
    await refused(openImages(listLocation(folder, { columns: 'a,b' })), 'is not a list of images');
    const inside = listLocation(join(folder, 'lists'), {
      root: join(folder, 'photos'),
      columns: 'image,class',
    });
    assert.deepEqual(await labeled(folder, inside), ['photos/1.jpg cat', 'photos/2.jpg dog'], 'in a folder');
  });

  it('may have a column or folders of splits', async (t) => {
    const column = 'path,label,split\na/1.jpg,cat,train\na/2.jpg,dog,Training\nb/3.jpg,dog,valid\n';
    const folders = 'path,label\ntrain/1.jpg,cat\ntrain/2.jpg,dog\nval/3.jpg,dog\n';
    const folder = await folderWith(t, {
      ...IMAGES,
      'c.csv': column,
      'f.csv': folders,
      'train/1.jpg': '',
      'val/3.jpg': '',
    });
    for (const name of ['c.csv', 'f.csv']) {
      const location = join(folder, name);
      const training = await openImages(location);
      assert.deepEqual([training.split, training.length, training.classes], ['train', 2, ['cat', 'dog']]);
      const validation = await openImages(location, { split: 'val', exact: true });
      assert.deepEqual([validation.length, validation.classes], [1, ['cat', 'dog']]);
      await assert.rejects(openImages(location, { split: 'test', exact: true }), MissingSplitError);
    }
  });

  it('may mark splits by other columns: data set, is_valid, is_train', async (t) => {
    const paths = ['a/1.jpg,cat', 'a/2.jpg,dog', 'b/3.jpg,cat', 'b/4.jpg,dog'];
    for (const [header, values, expected] of [
      ['data set', ['train', 'train', 'valid', 'Test'], { train: 2, val: 1, test: 1 }],
      ['is_valid', ['False', 'False', 'True', ''], { train: 3, val: 1 }],
      ['is_training_image', ['1', '1', '0', '0'], { train: 2, test: 2 }],
      ['is_val,is_test', ['0,0', '0,0', '1,0', '0,1'], { train: 2, val: 1, test: 1 }],
      ['set', ['a', 'b', 'a', 'b'], { train: 4 }],
    ] as const) {
      const lines = paths.map((path, i) => `${path},${values[i]}`);
      const folder = await folderWith(t, {
        ...IMAGES,
        'x.csv': [`path,label,${header}`, ...lines].join('\n'),
      });
      const splits = await openSplits(join(folder, 'x.csv'), 'required');
      const found = Object.fromEntries(splits.map(({ name, source }) => [name, source.length]));
      assert.deepEqual(found, expected, header);
    }
  });

  it('in another encoding than UTF-8 are refused', async (t) => {
    const text = Buffer.from('path,label\na/1.jpg,caf\xe9\na/2.jpg,caf\xe8\n', 'latin1');
    const folder = await folderWith(t, { ...IMAGES, 'x.csv': text });
    await refused(openImages(join(folder, 'x.csv')), 'not encoded as UTF-8 (line 2)');
  });

  it('are found in a folder: Kaggle, pairs of files, metadata of Hugging Face', async (t) => {
    const kaggle = {
      'train/x1.png': '',
      'train/x2.png': '',
      'test/x3.png': '',
      'train.csv': 'id,breed\nx1,pug\nx2,cat\n',
      'test.csv': 'id\nx3\n',
      'sample_submission.csv': 'id,breed\nx3,pug\n',
    };
    const pairs = {
      'all/3.jpg': '',
      'all/1.jpg': '',
      'all/2.jpg': '',
      'train.csv': '1.jpg,cat\n2.jpg,pug\n',
      'val.csv': '3.jpg,pug\n',
    };
    const metadata = {
      'train/1.jpg': '',
      'train/metadata.csv': 'file_name,label\n1.jpg,pug\n2.jpg,cat\n',
      'test/3.jpg': '',
      'test/metadata.jsonl': '{"file_name":"3.jpg","label":"pug"}\n',
    };
    const flat = { '1.jpg': '', '2.jpg': '', 'metadata.csv': 'file_name,label\n1.jpg,pug\n2.jpg,cat\n' };
    for (const [files, split] of [
      [kaggle, undefined],
      [pairs, 'val'],
      [metadata, 'test'],
      [flat, undefined],
    ] as const) {
      const folder = await folderWith(t, files);
      const training = await openImages(folder);
      assert.deepEqual([training.classes, training.length], [['cat', 'pug'], 2]);
      const validation = await openImages(folder, { split: 'val' }).catch((error) => error);
      if (files === kaggle) assert.ok(validation instanceof MissingSplitError, 'test.csv has no labels');
      else assert.deepEqual([validation.split, validation.classes], [split, ['cat', 'pug']]);
    }
  });

  it('find images by parts of their paths, from above, and in the folder of their split', async (t) => {
    const folder = await folderWith(t, {
      'data/set/train/1.jpg': '',
      'data/set/train/2.jpg': '',
      'data/set/test/1.jpg': '',
      'data/set/ids.csv': 'id,label\n1,cat\n2,dog\n',
      'data/set/far.csv': 'data/set/train/1.jpg,cat\n./data/set/train/2.jpg,dog\n',
      'data/set/other.csv': '/kaggle/input/set/train/1.jpg,cat\n/kaggle/input/set/train/2.jpg,dog\n',
      'data/set/both.csv': 'id,label\n3,cat\n4,dog\n',
      'data/set/a/3.jpg': '',
      'data/set/b/3.jpg': '',
    });
    const expected = ['data/set/train/1.jpg cat', 'data/set/train/2.jpg dog'];
    for (const name of ['ids', 'far', 'other']) {
      assert.deepEqual(await labeled(folder, join(folder, `data/set/${name}.csv`)), expected, name);
    }
    await writeFiles(folder, {
      'list/x.csv': '1.jpg,cat\n2.jpg,dog\n',
      'list/big/1.jpg': '',
      'list/small/1.jpg': '',
    });
    await refused(
      openImages(join(folder, 'list/x.csv')),
      'list/big and',
      'list/small have its images',
      '--root',
    );
    await refused(
      openImages(join(folder, 'data/set/both.csv')),
      'two such images (a/3.jpg, b/3.jpg)',
      '--root',
    );
  });

  it('in a folder name all its images, or a note counts the others', async (t) => {
    const folder = await folderWith(t, {
      'train/1.jpg': '',
      'train/2.jpg': '',
      'train/left out.png': '',
      'train/movie.gif': '',
      'test/3.jpg': '',
      'train.csv': 'id,label\n1,cat\n2,dog\n',
      'test.csv': 'id\n3\n',
    });
    assert.equal(
      describeUnused((await openImages(folder)).unused),
      'note: 2 files were not used: 1 .gif, 1 .png in no list; convert them to JPEG, PNG or WebP, for example with `magick mogrify -format jpg *.gif`',
    );
    assert.equal((await openImages(join(folder, 'train.csv'))).unused, undefined);
  });

  it('divide class folders that are not divided', async (t) => {
    const folder = await folderWith(t, {
      ...IMAGES,
      'train.txt': 'a/1.jpg 0\nb/3.jpg 1\n',
      'val.txt': 'b/4.jpg 1\n',
    });
    assert.equal((await openImages(folder)).length, 2);
    assert.deepEqual(await labeled(folder, folder, { split: 'val', exact: true }), ['b/4.jpg 1']);
  });

  it('may have a column of 0 and 1 for each class; captions are no classes', async (t) => {
    const folder = await folderWith(t, {
      ...IMAGES,
      'flags.csv': 'image,cat,dog\n1,1.0,0\n2,1,0\n3,0,1\n',
      'captions.csv': ['file_name,text', ...range(12).map((i) => `${i}.jpg,a dog number ${i}`)].join('\n'),
    });
    assert.deepEqual(await labeled(folder, join(folder, 'flags.csv')), EXPECTED);
    await refused(openImages(join(folder, 'captions.csv')), 'unclear which column has the labels');
    await writeFiles(folder, {
      'flags.csv': `image,cat,dog\n${range(20)
        .map((i) => `${i}.jpg,0,1\n`)
        .join('')}1,1,1\n`,
    });
    await refused(openImages(join(folder, 'flags.csv')), 'line 22 has 2 classes');
  });

  it('in a folder of class folders are not needed, but must not contradict them', async (t) => {
    const folder = await folderWith(t, { ...IMAGES, 'list.csv': 'path,label\na/1.jpg,a\nb/3.jpg,b\n' });
    assert.deepEqual((await openImages(folder)).length, 4);
    await writeFiles(folder, { 'list.csv': 'id,dx\n1,nv\n3,mel\n' });
    await refused(
      openImages(folder),
      'folders of images (a, b)',
      'with other labels (mel, nv); give the path of the list',
    );
  });

  it('are refused with the line and the remedy', async (t) => {
    const folder = await folderWith(t, IMAGES);
    for (const [text, ...parts] of [
      ['path,label\na/1.jpg,cat\na/2.jpg\n', 'x.csv is not a valid list', 'line 3'],
      ['path,label\na/1.jpg,cat\na/2.jpg,\n', 'x.csv: line 3 has no label'],
      ['path,label\n,cat\na/2.jpg,dog\n', 'x.csv: line 2 names no image'],
      ['a/1.jpg,cat\na/2.jpg,dog\na/1.jpg,dog\n', 'lists a/1.jpg twice, in lines 1 and 3'],
      ['a/1.jpg,cat\n./a\\1.jpg,dog\n', 'lists one image as a/1.jpg and ./a\\1.jpg, in lines 1 and 2'],
      ['id,label\n1,cat\n2,dog\n2.jpg,dog\n', 'lists one image as 2 and 2.jpg'],
      ['path,label,split\na/1.jpg,cat,train\na/2.jpg,dog,holiday\n', 'line 3 has the split "holiday"'],
      [
        'path,label,split\na/1.jpg,cat,train\na/2.jpg,dog,train\na/3.jpg,cow,val\n',
        'line 4 has the class "cow"',
      ],
      ['a/1.jpg,cat\na/2.jpg,cat\n', 'only one class (cat)'],
      ['a/8.jpg,cat\na/9.jpg,dog\n', 'none of its 2 images is in', '--root'],
      ['', 'x.csv is empty'],
      ['a/1.jpg,3,4\na/2.jpg,5,6\n', 'it has 3 columns without names', '--columns'],
      ['a/1.jpg,cat \na/2.jpg,"cat\u200b"\n', 'two classes look alike'],
    ] as const) {
      await writeFiles(folder, { 'x.csv': text });
      await refused(
        openImages(join(folder, 'x.csv'), { split: text.includes('cow') ? 'val' : 'train' }),
        ...parts,
      );
    }
    await writeFiles(folder, { 'x.jsonl': '{"file_name":"1.jpg"}\n{' });
    await refused(openImages(join(folder, 'x.jsonl')), 'line 2 is not JSON');
    await writeFiles(folder, { 'x.jsonl': '{"file_name":"1.jpg","label":["cat","dog"]}' });
    await refused(openImages(join(folder, 'x.jsonl')), 'line 1 has several values in "label"');
    for (const [text, message] of [
      [
        '{"images":[],"annotations":[]}',
        'is not a list of images; write an array with an object for each image',
      ],
      ['[]', 'is empty'],
      ['[1', 'is not JSON'],
    ] as const) {
      await writeFiles(folder, { 'x.json': text });
      await refused(openImages(join(folder, 'x.json')), message);
    }
  });
});
