import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pack } from 'tar-stream';

import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';

import { readTar, type TarEntry } from '../../../../src/data/sources/shards/tar.ts';
import { MissingSplitError } from '../../../../src/data/sources/splits.ts';
import { folderWith, labelsOf, tar, temporaryFolder, textOf, writeFiles } from '../../../support/images.ts';
import { pluck, range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

const listed = (source: ImageSource): string[] =>
  range(source.length).map((i) => `${source.imageName(i).split('/').at(-1)} ${source.label(i)}`);

const shard = (files: Readonly<Record<string, string>>): Promise<Buffer> => tar(Object.entries(files));

describe('readTar', () => {
  it('finds the files that tar-stream wrote, long names included', async (t) => {
    const path = join(await temporaryFolder(t), 'x.tar');
    const name = fc.stringMatching(/^[a-zä]{1,60}(?:\/[a-z]{1,90}){0,2}\.jpg$/);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(name, fc.string({ maxLength: 1200 })), { maxLength: 8 }),
        async (files) => {
          await writeFile(path, await tar(files));
          const found: [string, string][] = [];
          await readTar(path, async (entry, text) => {
            found.push([entry.name, await text()]);
          });
          assert.deepEqual(found, files);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('refuses truncated or damaged files by name', async (t) => {
    const path = join(await temporaryFolder(t), 'x.tar');
    const whole = await tar([
      ['a.jpg', 'x'.repeat(700)],
      ['b.jpg', 'y'.repeat(100)],
    ]);
    const count = async (bytes: Uint8Array): Promise<number> => {
      await writeFile(path, bytes);
      let entries = 0;
      await readTar(path, () => void entries++);
      return entries;
    };
    assert.equal(await count(whole), 2);
    assert.equal(await count(whole.subarray(0, -1024)), 2, 'without the empty blocks at the end');
    for (const length of [100, 511, 600, 1211, 1536 + 300, 2048 + 50]) {
      const short = count(whole.subarray(0, length));
      await refused(short, /x\.tar is not a complete tar file: .*again$/);
    }
    const damaged = Buffer.from(whole);
    damaged[10] = 77;
    await assert.rejects(count(damaged), /header at byte 0 is not a tar header/);
  });

  it('ignores folders and links', async (t) => {
    const path = join(await temporaryFolder(t), 'x.tar');
    const archive = pack();
    archive.entry({ name: 'dir/', type: 'directory' });
    archive.entry({ name: 'link.jpg', type: 'symlink', linkname: 'a.jpg' });
    archive.entry({ name: 'dir/a.jpg' }, 'data');
    archive.finalize();
    await writeFile(path, await buffer(archive));
    const entries: TarEntry[] = [];
    await readTar(path, (entry) => void entries.push(entry));
    assert.deepEqual([pluck(entries, 'name'), pluck(entries, 'size')], [['dir/a.jpg'], [4]]);
  });
});

describe('tar shards', () => {
  const shards = async () => ({
    'train-000000.tar': await shard({
      '0001.cls': '2',
      '0001.jpg': 'one',
      'a/0002.seg.png': 'not an image of the sample',
      'a/0002.PNG': 'two',
      'a/0002.json': '{"label": 0}',
    }),
    'train-000001.tar': await shard({ '0003.webp': 'three', '0003.cls': '1\n' }),
    'val-000000.tar': await shard({ '9.jpeg': 'nine', '9.cls': '1' }),
  });

  it('give each split its images, with labels from .cls or .json', async (t) => {
    const [folder, cacheFolder] = [await folderWith(t, await shards()), await temporaryFolder(t)];
    const train = await openImages(folder, { cacheFolder });
    const names = ['train-000000.tar:0001.jpg 2', '0002.PNG 0', 'train-000001.tar:0003.webp 1'];
    assert.deepEqual(listed(train), names);
    assert.deepEqual([train.classes, train.split], [['0', '1', '2'], 'train']);
    const texts = [await textOf(train, 2), await textOf(train, 0), await textOf(train, 1)];
    assert.deepEqual(texts, ['three', 'one', 'two']);
    const val = await openImages(folder, { split: 'val', cacheFolder });
    assert.deepEqual([listed(val), val.classes], [['val-000000.tar:9.jpeg 1'], ['0', '1', '2']]);
    const test = await openImages(folder, { split: 'test', cacheFolder });
    assert.deepEqual([test.length, test.split], [1, 'val'], 'val replaces test');
  });

  it('belong to the split whose folder they are in, whatever their names', async (t) => {
    const [one, other] = [
      await shard({ '1.jpg': '', '1.cls': '1' }),
      await shard({ '2.jpg': '', '2.cls': '0' }),
    ];
    const folder = await folderWith(t, {
      'train/a.tar': one,
      'train/contest.tar': other,
      'valid/a.tar': one,
    });
    const cacheFolder = await temporaryFolder(t);
    for (const [split, found, images] of [
      ['train', 'train', 2],
      ['val', 'val', 1],
      ['test', 'val', 1],
    ] as const) {
      const source = await openImages(folder, { split, cacheFolder });
      assert.deepEqual([source.split, source.length], [found, images]);
    }
  });

  it('can be opened by pattern or one by one', async (t) => {
    const [folder, cacheFolder] = [await folderWith(t, await shards()), await temporaryFolder(t)];
    for (const [pattern, split, count] of [
      ['train-{000000..000001}.tar', 'train', 3],
      // A pattern overrides the split in the names.
      ['train-{000001..000009}.tar', 'val', 1],
      ['train-{0..9}.tar', 'train', 3],
      ['train-{000000,000009}.tar', 'train', 2],
      ['*.tar', 'val', 1],
      ['train-00000?.tar', 'train', 3],
      ['train-000001.tar', 'val', 1],
    ] as const) {
      const source = await openImages(join(folder, pattern), { split, cacheFolder });
      assert.equal(source.length, count, pattern);
    }
    await refused(openImages(join(folder, 'nothing-*.tar')), /nothing-\*\.tar does not exist/);
  });

  it('have class names in .txt, or in classes.txt', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    const named = await folderWith(t, {
      'x.tar': await shard({ '1.jpg': '', '1.txt': 'dog', '2.jpg': '', '2.txt': 'cat\n' }),
    });
    const source = await openImages(named, { cacheFolder });
    assert.deepEqual([source.classes, source.split], [['cat', 'dog'], undefined]);
    assert.deepEqual(labelsOf(source), [1, 0]);
    const numbered = await folderWith(t, {
      'x.tar': await shard({ '1.jpg': '', '1.cls': '1' }),
      'classes.txt': 'cat\ndog\nemu\n',
    });
    const listed = await openImages(numbered, { cacheFolder });
    assert.deepEqual([listed.classes, listed.label(0)], [['cat', 'dog', 'emu'], 1]);
  });

  it('are indexed once, until they change', async (t) => {
    const [folder, cacheFolder] = [await temporaryFolder(t), await temporaryFolder(t)];
    await writeFiles(folder, { 'x.tar': await shard({ '1.jpg': 'a', '1.cls': '1' }) });
    const first = await openImages(folder, { cacheFolder });
    const again = await openImages(folder, { cacheFolder });
    assert.equal((await readdir(join(cacheFolder, 'shards'))).length, 1);
    assert.deepEqual([listed(again), await again.fingerprint()], [listed(first), await first.fingerprint()]);
    assert.equal(await textOf(again, 0), 'a');
    const more = { '0.jpg': 'new', '0.cls': '1', '1.jpg': 'a', '1.cls': '0' };
    await writeFiles(folder, { 'x.tar': await shard(more) });
    const changed = await openImages(folder, { cacheFolder });
    assert.deepEqual([changed.length, await textOf(changed, 0)], [2, 'new']);
    const [file] = await readdir(join(cacheFolder, 'shards'));
    await writeFile(join(cacheFolder, 'shards', file!), 'damaged');
    assert.equal((await openImages(folder, { cacheFolder })).length, 2);
    await rm(join(folder, 'x.tar'));
    await refused(changed.read(0), /x\.tar:0\.jpg could not be read: there is no such file/);
  });

  for (const [files, message, classes] of [
    [{ '1.jpg': '', '1.cls': 'cat' }, /x\.tar:1\.cls holds "cat" instead of a class number/],
    [{ '1.jpg': '', '1.cls': '1', '2.jpg': '' }, /x\.tar:2\.jpg has no label; add its class number/],
    [{ '1.jpg': '', '1.json': '{' }, /x\.tar:1\.json is not JSON/],
    [{ '1.jpg': '', '1.json': '{"label": 1.5}' }, /1\.json: label is 1\.5, which is neither/],
    [{ '1.jpg': '', '1.cls': '5' }, /the label 5, which is not one of the 2 classes/, 'a\nb\n'],
    [{ '1.jpg': '', '1.cls': '0' }, /only one class \(0\)/],
    [{ '1.jpg': '' }, /has no labels, and a network needs/],
    [{ '1.cls': '1' }, /x\.tar holds no image/],
    [{ '1.jpg': '', '1.png': '', '1.cls': '1' }, /two images with the key 1 \(1\.jpg, 1\.png\)/],
    [{ 'n01440764.tar': '' }, /holds tar files \(n01440764\.tar\); unpack it once/],
  ] as [Record<string, string>, RegExp, string?][]) {
    it(`of ${JSON.stringify(files)} are refused with a remedy`, async (t) => {
      const folder = await folderWith(t, {
        'x.tar': await shard(files),
        ...(classes && { 'classes.txt': classes }),
      });
      await refused(openImages(folder, { cacheFolder: await temporaryFolder(t) }), message);
    });
  }

  it('are refused if the split is missing', async (t) => {
    const folder = await folderWith(t, { 'val-0.tar': await shard({ '1.jpg': '', '1.cls': '1' }) });
    const open = openImages(folder, { cacheFolder: await temporaryFolder(t) });
    await assert.rejects(open, MissingSplitError);
  });

  it('need no labels when those are optional', async (t) => {
    const folder = await folderWith(t, { 'x.tar': await shard({ '1.jpg': 'a' }) });
    const source = await openImages(folder, { labels: 'optional', cacheFolder: await temporaryFolder(t) });
    assert.deepEqual([source.label(0), source.classes], [-1, []]);
  });
});
