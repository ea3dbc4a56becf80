import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { type ZipOptions, zipSync } from 'fflate';
import { pack } from 'tar-stream';
import { type OpenOptions, openImages } from '../../../../src/data/sources/open-images.ts';
import { listing, tar, temporaryFolder, textOf, writeFiles } from '../../../support/images.ts';
import { refused } from '../../../support/refused.ts';

type Tree = Readonly<Record<string, string>>;

function zip(files: Tree, options: ZipOptions = {}): Uint8Array {
  return zipSync(
    Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])),
    options,
  );
}

/** Writes the same files as a folder, as a zip archive and as a tar file. */
async function writeAll(folder: string, files: Tree): Promise<readonly string[]> {
  await writeFiles(join(folder, 'data'), files);
  await writeFile(join(folder, 'data.zip'), zip(files));
  await writeFile(join(folder, 'data.tar'), await tar(Object.entries(files)));
  return ['data', 'data.zip', 'data.tar'].map((name) => join(folder, name));
}

/** Everything that opening a place gives, or its error; the place's path is left out. */
async function outcome(location: string, options?: OpenOptions): Promise<unknown> {
  try {
    return await listing(await openImages(location, options));
  } catch (error) {
    // Which of several such folders is found first depends on the disk.
    return (error as Error).message
      .replaceAll(location, 'DATA')
      .replace(/^.* holds no image \(.*/s, 'no image');
  }
}

async function archiveWith(t: TestContext, name: string, content: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(t), name);
  await writeFile(path, content);
  return path;
}

describe('zip archives and tar files of class folders', () => {
  it('may have a list in their only folder', async (t) => {
    const folder = await temporaryFolder(t);
    const list = 'file_name,label,category\n1.jpg,cat,a\n2.jpg,dog,a\n';
    const [, ...archives] = await writeAll(folder, {
      'top/1.jpg': '',
      'top/2.jpg': '',
      'top/metadata.csv': list,
    });
    for (const archive of archives) {
      await refused(openImages(archive), 'top/metadata.csv: it is unclear which column has the labels');
      const source = await openImages(`${archive}?image=file_name&label=label`);
      assert.deepEqual(source.classes, ['cat', 'dog']);
    }
  });

  it('list as the same folder does, whatever is in it', async (t) => {
    const folder = await temporaryFolder(t);
    const name = fc
      .oneof(
        fc.constantFrom('cat', 'dog', 'train', 'Test', 'val', '__MACOSX', '.git', 'a b', 'é', '日本'),
        fc.string(),
      )
      .filter((text) => !/[/\0\\:]|^\.{1,2}$|^$/.test(text) && Buffer.byteLength(text) < 60);
    const file = fc
      .tuple(name, fc.constantFrom('.jpg', '.PNG', '.heic', '.txt', ''))
      .map((parts) => parts.join(''));
    const path = fc
      .tuple(fc.array(name, { maxLength: 3 }), file)
      .map(([folders, last]) => [...folders, last].join('/'));
    const trees = fc
      .uniqueArray(path, { minLength: 1, maxLength: 12 })
      // A file cannot also be a folder.
      .filter((paths) => paths.every((one) => !paths.some((other) => other.startsWith(`${one}/`))))
      .map((paths) => Object.fromEntries(paths.map((one) => [`top/${one}`, one])));
    let round = 0;
    await fc.assert(
      fc.asyncProperty(trees, fc.constantFrom('train', 'val'), async (tree, split) => {
        const base = join(folder, String(round++));
        await mkdir(base);
        const [data, ...archives] = await writeAll(base, tree);
        const expected = await outcome(join(data!, 'top'), { split });
        for (const archive of archives) {
          assert.deepEqual(await outcome(`${archive}/top`, { split }), expected);
        }
        await rm(base, { recursive: true });
      }),
      { numRuns: 60 },
    );
  });

  it('open by their own path, whether or not everything is in one folder', async (t) => {
    const folder = await temporaryFolder(t);
    const classes = {
      'train/a/1.jpg': 'one',
      'train/b/2.jpg': 'two',
      'val/b/3.jpg': 'three',
      'train/b/x.heic': '',
    };
    for (const prefix of ['', './', 'photos/', 'a/photos/']) {
      const base = join(folder, `_${prefix.replaceAll('/', '_')}`);
      await mkdir(base);
      const files = Object.fromEntries(Object.entries(classes).map(([name, text]) => [prefix + name, text]));
      for (const location of (await writeAll(base, files)).slice(1)) {
        const source = await openImages(location);
        assert.deepEqual(source.classes, ['a', 'b']);
        assert.deepEqual([...source.unused!], [['.heic', 1]]);
        assert.equal(await textOf(source, 1), 'two');
        const validation = await openImages(location, { split: 'val', exact: true });
        assert.equal(await textOf(validation, 0), 'three');
        assert.equal(validation.imageName(0), join(location, prefix, 'val/b/3.jpg'));
      }
    }
  });

  it('read names in UTF-8 without its flag, in code page 437 and with backslashes', async (t) => {
    const bytes = Buffer.from(zip({ 'é/1.jpg': '1', 'b/2.jpg': '2' }));
    // Clears the flag in the local headers and the directory.
    for (let at = 0; at < bytes.length - 10; at++) {
      const signature = bytes.readUInt32LE(at);
      if (signature === 0x04034b50) bytes.writeUInt16LE(0, at + 6);
      if (signature === 0x02014b50) bytes.writeUInt16LE(0, at + 8);
    }
    assert.deepEqual((await openImages(await archiveWith(t, 'x.zip', bytes))).classes, ['b', 'é']);
    const old = Buffer.from(bytes.toString('latin1').replaceAll('Ã©/', '\x82_/'), 'latin1');
    assert.deepEqual((await openImages(await archiveWith(t, 'x.zip', old))).classes, ['b', 'é_']);
    const windows = zip({ 'a\\1.jpg': '1', 'b\\2.jpg': '2' });
    assert.deepEqual((await openImages(await archiveWith(t, 'x.ZIP', windows))).classes, ['a', 'b']);
  });

  it('read links in a tar file', async (t) => {
    const archive = pack();
    archive.entry({ name: 'a/1.jpg' }, 'one');
    archive.entry({ name: 'b/2.jpg', type: 'link', linkname: 'a/1.jpg' });
    archive.entry({ name: 'b/3.jpg', type: 'symlink', linkname: '../a/1.jpg' });
    archive.entry({ name: 'b/4.jpg', type: 'symlink', linkname: '/etc/passwd' });
    archive.finalize();
    const source = await openImages(await archiveWith(t, 'x.tar', await buffer(archive)));
    assert.deepEqual(await Promise.all([0, 1, 2].map((i) => textOf(source, i))), ['one', 'one', 'one']);
    await refused(source.read(3), 'b/4.jpg could not be read: it is a link to a file outside the archive');
  });

  it('change their fingerprint with a file, not with the time, for zip', async (t) => {
    const print = async (files: Tree, mtime: string) =>
      (await openImages(await archiveWith(t, 'x.zip', zip(files, { mtime })))).fingerprint();
    const one = await print({ 'a/1.jpg': '1', 'b/2.jpg': '2' }, '2020-01-01');
    assert.equal(await print({ 'a/1.jpg': '1', 'b/2.jpg': '2' }, '2021-01-01'), one);
    assert.notEqual(await print({ 'a/1.jpg': '1', 'b/2.jpg': '3' }, '2020-01-01'), one);
  });

  it('are refused with a remedy when they are damaged, unsafe or of another kind', async (t) => {
    const good = Buffer.from(zip({ 'a/1.jpg': 'x'.repeat(99), 'b/2.jpg': '' }, { level: 0 }));
    const open = async (name: string, content: Uint8Array) => openImages(await archiveWith(t, name, content));
    await refused(
      open('x.zip', good.subarray(0, 80)),
      'not a complete zip archive',
      'make or download it again',
    );
    for (const name of ['../a.jpg', '/etc/a.jpg', 'a/../../b.jpg', 'C:\\a.jpg']) {
      await refused(open('x.zip', zip({ [name]: '' })), 'which is outside the archive; pack it again');
    }
    await refused(open('x.tar', await tar([['a/../../b.jpg', '']])), 'which is outside the archive');
    const encrypted = Buffer.from(zip({ 'a/1.jpg': 'x'.repeat(99) }));
    encrypted.writeUInt16LE(1, encrypted.indexOf('PK\x01\x02') + 8);
    await refused(open('x.zip', encrypted), 'is encrypted (a/1.jpg); unpack it');
    await refused(open('x.tar.gz', good), 'gunzip --keep', 'cannot be read in place');
    await refused(open('x.rar', good), 'unpack it and give the folder');
    const altered = Buffer.from(good);
    altered[altered.indexOf('xxx') + 1] = 0;
    const source = await open('x.zip', altered);
    await refused(source.read(0), 'a/1.jpg could not be read: its checksum differs');
    await refused(openImages(`${await archiveWith(t, 'x.zip', good)}/c`), 'c does not exist in');
  });
});
