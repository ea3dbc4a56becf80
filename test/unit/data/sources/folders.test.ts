import assert from 'node:assert/strict';
import { chmod, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FileList } from '../../../../src/data/sources/file-list.ts';
import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { MissingSplitError } from '../../../../src/data/sources/splits.ts';
import { folderWith, temporaryFolder, textOf, writeFiles } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

/** Every image's name from the folder on, with its label. */
function listed(source: ImageSource, folder: string): string[] {
  const name = (i: number) => source.imageName(i).slice(folder.length + 1);
  return range(source.length).map((i) => `${name(i)} ${source.label(i)}`);
}

describe('class folders', () => {
  it('are classes in code-unit order, with sorted files of any extension; hidden ones are ignored', async (t) => {
    const folder = await folderWith(t, {
      'b/2.jpg': '',
      'b/10.JPEG': '',
      'b/.hidden.jpg': '',
      'b/notes.txt': '',
      'B/x.PNG': '',
      'ä/z.webp': '',
      'ä/deep/er/a.jpg': '',
      '.cache/x.jpg': '',
      'readme.md': '',
    });
    const source = await openImages(folder);
    assert.deepEqual(source.classes, ['B', 'b', 'ä']);
    assert.deepEqual(source.labels, source.classes);
    assert.equal(source.split, undefined);
    assert.deepEqual(listed(source, folder), [
      'B/x.PNG 0',
      'b/10.JPEG 1',
      'b/2.jpg 1',
      'ä/z.webp 2',
      'ä/deep/er/a.jpg 2',
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
    await writeFiles(join(folder, 'ok'), { 'train/a/1.jpg': '', 'train/b/1.jpg': '', 'val/c/1.jpg': '' });
    const validation = openImages(join(folder, 'ok'), { split: 'val' });
    await refused(validation, '/ok/val/c is not a class of the training images');
    await refused(openImages(join(folder, 'none')), `${folder}/none does not exist`);
    await writeFiles(folder, { 'notes.txt': '' });
    await refused(openImages(join(folder, 'notes.txt')), 'notes.txt is not a data set');
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
