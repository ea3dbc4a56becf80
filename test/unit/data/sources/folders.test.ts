import assert from 'node:assert/strict';
import { chmod, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { watchProgress } from '../../../../src/core/progress-channel.ts';
import { FileList } from '../../../../src/data/sources/file-list.ts';
import { describeUnused } from '../../../../src/data/sources/folders/unused-files.ts';
import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { MissingSplitError } from '../../../../src/data/sources/splits.ts';
import { folderWith, labelsOf, temporaryFolder, textOf, writeFiles } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

/** Every image's name from the folder on, with its label. */
function listed(source: ImageSource, folder: string): string[] {
  const name = (i: number) => source.imageName(i).slice(folder.length + 1);
  return range(source.length).map((i) => `${name(i)} ${source.label(i)}`);
}

describe('class folders', () => {
  it('are classes in code-point order, with sorted files of any extension; hidden ones are ignored', async (t) => {
    const folder = await folderWith(t, {
      'b/2.jpg': '',
      'b/10.JPEG': '',
      'b/.hidden.jpg': '',
      'b/notes.txt': '',
      'B/x.PNG': '',
      'ä/z.webp': '',
      'ä/deep/er/a.jpg': '',
      '\u{1f600}/1.jpg': '',
      '\uff21/1.jpg': '',
      '.cache/x.jpg': '',
      'readme.md': '',
    });
    const source = await openImages(folder);
    assert.deepEqual(source.classes, ['B', 'b', 'ä', '\uff21', '\u{1f600}'], 'as Python sorts them');
    assert.deepEqual(source.labels, source.classes);
    assert.equal(source.split, undefined);
    assert.deepEqual(listed(source, folder), [
      'B/x.PNG 0',
      'b/10.JPEG 1',
      'b/2.jpg 1',
      'ä/z.webp 2',
      'ä/deep/er/a.jpg 2',
      '\uff21/1.jpg 3',
      '\u{1f600}/1.jpg 4',
    ]);
  });

  it('may be links, and so may images', async (t) => {
    const folder = await folderWith(t, { 'elsewhere/cats/1.jpg': 'one', 'data/dogs/2.jpg': 'two' });
    await symlink(join(folder, 'elsewhere/cats'), join(folder, 'data/cats'));
    await symlink(join(folder, 'elsewhere/cats/1.jpg'), join(folder, 'data/dogs/1.jpg'));
    const source = await openImages(join(folder, 'data'));
    assert.deepEqual(listed(source, join(folder, 'data')), ['cats/1.jpg 0', 'dogs/1.jpg 1', 'dogs/2.jpg 1']);
    assert.equal(await textOf(source, 1), 'one');
  });

  it('can be divided into train and val, validation or test', async (t) => {
    for (const val of ['val', 'validation', 'test']) {
      const folder = await folderWith(t, {
        'train/a/1.jpg': '',
        'train/b/2.jpg': '',
        'train/c/3.jpg': '',
        [`${val}/c/4.jpg`]: '',
      });
      const source = await openImages(folder, { split: 'val' });
      assert.equal(source.split, val === 'test' ? 'test' : 'val');
      assert.deepEqual(source.classes, ['a', 'b', 'c'], 'those of training, though some have no image here');
      assert.deepEqual(listed(source, folder), [`${val}/c/4.jpg 2`]);
      assert.equal((await openImages(folder)).length, 3);
    }
  });

  it('have no validation images if the test images have no labels', async (t) => {
    const folder = await folderWith(t, { 'train/a/1.jpg': '', 'train/b/2.jpg': '', 'test/3.jpg': '' });
    await assert.rejects(openImages(folder, { split: 'val' }), MissingSplitError);
    assert.equal((await openImages(folder, { split: 'test', labels: 'optional' })).length, 1);
  });

  it('prefer val to test', async (t) => {
    const folder = await folderWith(t, {
      'train/a/1.jpg': '',
      'train/b/2.jpg': '',
      'val/a/v.jpg': '',
      'test/a/t.jpg': '',
    });
    assert.deepEqual(listed(await openImages(folder, { split: 'val' }), folder), ['val/a/v.jpg 0']);
    assert.deepEqual(listed(await openImages(folder, { split: 'test' }), folder), ['test/a/t.jpg 0']);
  });

  it('are divided by folders in any case and spelling', async (t) => {
    for (const [train, val, split] of [
      ['Train', 'Test', 'test'],
      ['TRAIN', 'VAL', 'val'],
      ['training_set', 'test_set', 'test'],
      ['trainset', 'valid', 'val'],
      ['Training', 'Validation', 'val'],
      ['train-images', 'Testing', 'test'],
      ['images_train', 'dev', 'val'],
      ['Train2017', 'Val2017', 'val'],
      ['training set', 'eval', 'val'],
      ['train_val', 'test', 'test'],
      ['seg_train', 'seg_test', 'test'],
      ['01_train', '02_val', 'val'],
      ['FlowersTrain', 'FlowersTest', 'test'],
      ['photos (training)', 'photos (validation)', 'val'],
      ['train_resized', 'test_resized', 'test'],
      ['seg_train/seg_train', 'seg_test/seg_test', 'test'],
    ] as const) {
      const files = {
        [`${train}/a/1.jpg`]: '',
        [`${train}/b/2.jpg`]: '',
        [`${val}/b/4.jpg`]: '',
        'labels.csv': '',
        'extra/5.jpg': '',
      };
      const folder = await folderWith(t, files);
      assert.deepEqual((await openImages(folder)).classes, ['a', 'b'], train);
      const source = await openImages(folder, { split: 'val' });
      assert.match(describeUnused(source.unused)!, /1 \.jpg outside the class folders/);
      assert.deepEqual([source.split, listed(source, folder)], [split, [`${val}/b/4.jpg 1`]]);
    }
  });

  it('are refused when they are called like splits or hold the classes', async (t) => {
    const folder = await temporaryFolder(t);
    for (const [name, paths, ...parts] of [
      ['flat', 'Train/1.jpg Test/1.jpg', 'Train holds images but no class folders'],
      [
        'two',
        'train/a/1.jpg train/b/1.jpg Training/a/1.jpg',
        'several folders of training images (Training, train)',
      ],
      [
        'inside',
        'cat/train/1.jpg cat/test/1.jpg dog/train/1.jpg dog/test/1.jpg',
        'each class is divided into splits (cat/test, cat/train); put the split folders at the top: test/cat, train/cat',
      ],
      [
        'deep',
        'extracted/train/a/1.jpg extracted/train/b/1.jpg extracted/test/a/1.jpg',
        'give the path',
        'deep/extracted',
      ],
      ['single', 'set/images/cat/1.jpg set/images/dog/1.jpg', 'has only one folder', 'single/set/images'],
      [
        'beside',
        'extracted/train/a/1.jpg extracted/test/a/1.jpg samples/1.jpg',
        'beside/extracted is not a class but a divided data set (test, train); give the path',
      ],
      ['mixed', 'cat/1.jpg dog/1.jpg test/1.jpg', 'the folder test is called like a split', 'move it'],
      [
        'by class',
        'cat_train/1.jpg cat_test/1.jpg dog_train/1.jpg dog_test/1.jpg',
        'several folders of training images (cat_train, dog_train)',
        'move them into a folder called train',
      ],
      [
        'wrapped',
        'a/a/cat/1.jpg a/a/dog/1.jpg b/b/cat/1.jpg b/b/dog/1.jpg',
        'all folders of',
        'call its folders train, val and test',
      ],
      [
        'versions',
        'raw/cat/1.jpg raw/dog/1.jpg small/cat/1.jpg small/dog/1.jpg',
        'all folders of',
        'hold the same folders (cat, dog), so it is unclear which are the classes',
      ],
    ] as const) {
      const root = join(folder, name);
      await writeFiles(root, Object.fromEntries(paths.split(' ').map((path) => [path, ''])));
      await refused(openImages(root), root, ...parts);
    }
  });

  it('match after Unicode normalization; names that only look alike are shown by their code points', async (t) => {
    const [nfc, nfd] = ['épagneul', 'e\u0301pagneul'];
    const folder = await folderWith(t, {
      [`train/${nfd}/1.jpg`]: '',
      'train/cat/2.jpg': '',
      [`val/${nfc}/3.jpg`]: '',
    });
    const source = await openImages(folder, { split: 'val' });
    assert.deepEqual(source.classes, ['cat', nfd]);
    assert.deepEqual(listed(source, folder), [`val/${nfc}/3.jpg 1`]);
    for (const [name, difference] of [
      ['Cat', '"Cat" has U+0043 where "cat" has U+0063'],
      ['cat ', '"cat " has U+0020 where "cat" ends'],
      ['cat\u00a0', '"cat\u00a0" has U+00A0 where "cat" ends'],
      ['c\u0430t', '"c\u0430t" has U+0430 where "cat" has U+0061'],
    ] as const) {
      const root = join(folder, `with ${name}`);
      await writeFiles(root, { 'train/cat/1.jpg': '', 'train/dog/1.jpg': '', [`val/${name}/1.jpg`]: '' });
      await refused(
        openImages(root, { split: 'val' }),
        `val/${name} is not a class`,
        'looks like the class "cat"',
        difference,
      );
    }
    await writeFiles(join(folder, 'both'), { 'cat/1.jpg': '', 'cat /1.jpg': '', 'dog/1.jpg': '' });
    await refused(
      openImages(join(folder, 'both')),
      'two classes look alike: "cat " has U+0020 where "cat" ends',
    );
  });

  it('count the files that are not used, by extension', async (t) => {
    const folder = await folderWith(t, {
      'a/1.jfif': '',
      'a/2.JPE': '',
      'a/3.avif': '',
      'a/4.HEIC': '',
      'a/5.heic': '',
      'a/6.bmp': '',
      'a/Thumbs.db': '',
      'b/7.jpg': '',
      'b/read me.txt': '',
      'b/README': '',
      '8.png': '',
      'labels.csv': '',
      'movie.mov': '',
    });
    const source = await openImages(folder);
    assert.equal(source.length, 4);
    assert.equal(
      describeUnused(source.unused),
      'note: 7 files were not used: 2 .heic, 1 .bmp, 1 .mov, 1 .png outside the class folders, 1 .txt, 1 without extension; convert them to JPEG, PNG or WebP, for example with `magick mogrify -format jpg *.heic` (ImageMagick with libheif)',
    );
    await writeFiles(join(folder, 'phone'), { 'a/1.heic': '', 'b/1.jpg': '' });
    await refused(openImages(join(folder, 'phone')), 'phone/a holds no image', 'but 1 .heic; convert them');
  });

  it('report how many have been listed', async (t) => {
    const folder = await folderWith(t, { 'a/1.jpg': '', 'b/1.jpg': '', 'c/1.jpg': '' });
    const seen: unknown[] = [];
    const stop = watchProgress((progress) => seen.push(progress));
    await openImages(folder);
    await rm(join(folder, 'b/1.jpg'));
    await refused(openImages(folder), 'holds no image');
    stop();
    const label = `listing ${folder}`;
    assert.deepEqual(seen.slice(0, 2), [
      { label, done: 0, total: 3 },
      { label, done: 1, total: 3 },
    ]);
    assert.deepEqual(seen.at(-1), { label, done: 3, total: 3 }, 'also at the end of one that fails');
  });

  it('of Tiny ImageNet have validation labels in a file', async (t) => {
    const folder = await folderWith(t, {
      'train/n01443537/images/n01443537_0.JPEG': '',
      'train/n01443537/n01443537_boxes.txt': '',
      'train/n01629819/images/n01629819_0.JPEG': '',
      'val/images/val_0.JPEG': '',
      'val/images/val_1.JPEG': '',
      'val/val_annotations.txt': 'val_0.JPEG\tn01629819\t0\t1\t2\t3\nval_1.JPEG\tn01443537\t0\t1\t2\t3\n',
      'test/images/test_0.JPEG': '',
      'words.txt': 'n01443537\tgoldfish\nn01629819\tsalamander\n',
    });
    assert.equal(describeUnused((await openImages(folder)).unused), undefined);
    const source = await openImages(folder, { split: 'val' });
    assert.deepEqual(source.labels, ['goldfish', 'salamander']);
    assert.deepEqual(listed(source, folder), ['val/images/val_0.JPEG 1', 'val/images/val_1.JPEG 0']);
    await refused(openImages(folder, { split: 'test' }), 'test/images holds images without labels');
    assert.equal((await openImages(folder, { split: 'test', labels: 'optional' })).label(0), -1);
  });

  it('leave it to the reader that some images cannot be read', async (t) => {
    const folder = await folderWith(t, { 'a/1.jpg': '', 'a/x.jpg/notes.txt': '', 'b/1.jpg': '' });
    await symlink('nowhere.jpg', join(folder, 'a/dangling.jpg'));
    await symlink('circle.jpg', join(folder, 'b/circle.jpg'));
    await writeFile(Buffer.from(`${folder}/b/caf\xe9.jpg`, 'latin1'), '');
    const source = await openImages(folder);
    assert.equal((await source.fingerprint()).length, 64);
    const names = listed(source, folder);
    for (const [name, message] of [
      ['a/dangling.jpg', 'it is a link to nowhere.jpg, which does not exist'],
      ['a/x.jpg', 'it is a folder'],
      ['b/caf\ufffd.jpg', 'its name is not valid UTF-8; rename it'],
      ['b/circle.jpg', 'symbolic links form a circle'],
    ] as const) {
      await refused(source.read(names.findIndex((one) => one.startsWith(name))), message);
    }
    assert.equal(source.length, 6);
  });

  it('may have a class called train', async (t) => {
    const folder = await folderWith(t, { 'bus/1.jpg': '', 'train/2.jpg': '' });
    assert.deepEqual((await openImages(folder)).classes, ['bus', 'train']);
  });

  it('of synsets get names for people from a list nearby', async (t) => {
    const folder = await folderWith(t, {
      'synsets.txt': 'n02119789 kit fox, Vulpes macrotis\nn01440764 tench, Tinca tinca\n',
      'train/n02119789/1.jpg': '',
      'train/n01440764/1.jpg': '',
    });
    assert.deepEqual((await openImages(folder)).labels, ['tench, Tinca tinca', 'kit fox, Vulpes macrotis']);
  });

  it('are refused when they cannot be trained on, naming the folder and the remedy', async (t) => {
    const folder = await temporaryFolder(t);
    for (const [name, files, ...parts] of [
      ['empty', { '.keep': '' }, 'holds no images', 'give a folder'],
      ['hollow', { 'a/1.jpg': '', 'b/notes.txt': '' }, '/b holds no image', 'remove the folder'],
      ['single', { 'a/1.jpg': '' }, 'only one class (a)', 'at least two'],
      ['flat', { '1.jpg': '', '2.jpg': '' }, 'no class folders', 'own folder'],
    ] as const) {
      const root = join(folder, name);
      await writeFiles(root, files);
      await refused(openImages(root), root, ...parts);
    }
    const lonely = await openImages(join(folder, 'single'), { oneClass: true });
    assert.deepEqual([lonely.classes, labelsOf(lonely)], [['a'], [0]]);
    await writeFiles(join(folder, 'nested'), { 'photos/a/1.jpg': '', 'photos/b/1.jpg': '' });
    await refused(openImages(join(folder, 'nested'), { oneClass: true }), 'give the path', '/nested/photos');
    await writeFiles(join(folder, 'ok'), { 'train/a/1.jpg': '', 'train/b/1.jpg': '', 'val/c/1.jpg': '' });
    const validation = openImages(join(folder, 'ok'), { split: 'val' });
    await refused(validation, '/ok/val/c is not a class of the training images');
    await refused(openImages(join(folder, 'none')), `${folder}/none does not exist`);
    await writeFiles(folder, { 'notes.md': '' });
    await refused(openImages(join(folder, 'notes.md')), 'notes.md is not a data set');
  });

  it('name the split that is missing', async (t) => {
    const folder = await folderWith(t, { 'train/a/1.jpg': '', 'train/b/1.jpg': '' });
    await assert.rejects(openImages(folder, { split: 'val' }), MissingSplitError);
    await refused(openImages(folder, { split: 'val' }), `${folder} has no val folder; add one`);
  });

  it('that link to themselves do not hang', async (t) => {
    const folder = await folderWith(t, { 'a/1.jpg': '', 'b/1.jpg': '' });
    await symlink(join(folder, 'a'), join(folder, 'a/again'));
    await refused(openImages(folder), 'folders deep', 'remove the link');
  });

  const skip = process.getuid?.() === 0 && 'the superuser may read everything';
  it('that may not be read are named', { skip }, async (t) => {
    const folder = await folderWith(t, { 'a/1.jpg': '', 'b/1.jpg': '' });
    await chmod(join(folder, 'a/1.jpg'), 0);
    const source = await openImages(folder);
    await refused(source.read(0), `${folder}/a/1.jpg could not be read: permission denied`);
    await chmod(join(folder, 'b'), 0);
    await refused(openImages(folder), `${folder}/b could not be read: permission denied`);
    await chmod(join(folder, 'b'), 0o700);
  });

  it('that vanish are named', async (t) => {
    const folder = await folderWith(t, { 'a/1.jpg': '', 'b/1.jpg': '' });
    const source = await openImages(folder);
    await rm(join(folder, 'a'), { recursive: true });
    await refused(source.read(0), `${folder}/a/1.jpg could not be read: there is no such file`);
  });
});

describe('the fingerprint', () => {
  it('changes with names, classes, sizes and times, and with nothing else', async (t) => {
    const folder = await temporaryFolder(t);
    const print = async () => (await openImages(folder)).fingerprint();
    await writeFiles(folder, { 'a/1.jpg': '1', 'b/1.jpg': '2' });
    const prints = [await print()];
    await writeFiles(folder, { 'b/.DS_Store': 'x' });
    assert.equal(await print(), prints[0]);
    for (const change of [
      () => writeFiles(folder, { 'b/2.jpg': '3' }),
      () => writeFiles(folder, { 'a/1.jpg': '11' }),
      () => utimes(join(folder, 'a/1.jpg'), 1, 1),
      () => writeFiles(folder, { 'c/1.jpg': '3' }),
    ]) {
      await change();
      prints.push(await print());
    }
    assert.equal(new Set(prints).size, 5);
  });
});

describe('images without labels', () => {
  it('are listed when labels are optional', async (t) => {
    const folder = await folderWith(t, { '2.jpg': '', '1.png': '', 'more/3.webp': '' });
    const source = await openImages(folder, { labels: 'optional' });
    assert.deepEqual(listed(source, folder), ['1.png -1', '2.jpg -1', 'more/3.webp -1']);
    assert.deepEqual(source.classes, []);
    await writeFiles(folder, { 'sub/notes.txt': '' });
    await refused(openImages(join(folder, 'sub'), { labels: 'optional' }), 'sub holds no image');
  });

  it('have the classes of training beside them', async (t) => {
    const folder = await folderWith(t, {
      'train/a/1.jpg': '',
      'train/b/1.jpg': '',
      'test/1.jpg': '',
      'test/2.jpg': '',
    });
    const source = await openImages(folder, { split: 'test', labels: 'optional' });
    assert.deepEqual(source.classes, ['a', 'b']);
    assert.deepEqual(listed(source, folder), ['test/1.jpg -1', 'test/2.jpg -1']);
  });

  it('can be a single file', async (t) => {
    const folder = await folderWith(t, { 'x.jpg': '' });
    const source = await openImages(join(folder, 'x.jpg'), { labels: 'optional' });
    assert.deepEqual(listed(source, folder), ['x.jpg -1']);
  });
});

describe('FileList', () => {
  it('returns many names of any characters', () => {
    const names = range(10_000).map((i) => `klasse-ä/${'長'.repeat(i % 7)}${i}.jpg`);
    const labels = names.map((_, i) => (i % 1000) - 1);
    const list = FileList.of(names, labels);
    assert.equal(list.length, names.length);
    for (const [i, name] of names.entries()) {
      assert.deepEqual([list.name(i), list.labels[i]], [name, labels[i]]);
    }
    assert.throws(() => list.name(names.length), RangeError);
    assert.throws(() => list.name(-1), RangeError);
  });
});
