import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { listGivenImages } from '../../../../src/data/sources/given/given-images.ts';
import { givenImage, type ImageInput } from '../../../../src/data/sources/given/image-input.ts';
import { folderWith } from '../../../support/images.ts';
import { refused, userError } from '../../../support/refused.ts';

const bytesOf = async (input: ImageInput) => Buffer.from(await givenImage(input).read()).toString();

describe('an image that is given', () => {
  it('is a path, an address, or bytes of any kind', async (t) => {
    const folder = await folderWith(t, { 'a b.jpg': 'here' });
    const path = join(folder, 'a b.jpg');
    const bytes = Buffer.from('here');
    const inputs: ImageInput[] = [
      path,
      pathToFileURL(path),
      pathToFileURL(path).href,
      'data:,here',
      new URL('data:;base64,aGVyZQ=='),
      bytes,
      new Uint8Array(bytes),
      new Uint8Array(bytes).buffer,
      new Blob([bytes]),
      new File([bytes], 'x.jpg'),
      // As test runners have it.
      runInNewContext('new Uint8Array([104, 101, 114, 101]).buffer') as ArrayBuffer,
    ];
    for (const input of inputs) assert.equal(await bytesOf(input), 'here');
    assert.equal(givenImage(new File([], 'x.jpg')).name, 'x.jpg');
    assert.equal(givenImage(pathToFileURL(path)).name, path);
  });

  it('is nothing else: a sentence says what to give', () => {
    const values = [
      undefined,
      null,
      3,
      {},
      [],
      new Float32Array(3),
      new Response(),
      Promise.resolve('a.jpg'),
    ];
    for (const value of values) {
      assert.throws(
        () => givenImage(value as never),
        userError(/^the image is .*; give a path, a URL, a Blob/),
      );
    }
    for (const text of ['http://', 'ftp://host/a.jpg', 's3://bucket/a.jpg', 'file://host/a.jpg']) {
      assert.throws(() => givenImage(text), userError(/address.*; (?:check|use|give)/));
    }
  });
});

describe('images that are given', () => {
  const files = {
    'photos/train/cat/1.jpg': '',
    'photos/train/cat/deep/2.png': '',
    'photos/train/dog/3.jpg': '',
    'photos/val/dog/4.jpg': '',
    'photos/val/dog/notes.txt': '',
    'flat/5.jpg': '',
    'flat/odd[1].jpg': '',
    'flat/odd1.jpg': '',
  };

  it('may be folders, labeled by class, and patterns', async (t) => {
    const folder = await folderWith(t, files);
    const listed = async (...inputs: string[]) => {
      const { images, unused } = await listGivenImages(inputs.map((input) => `${folder}/${input}`));
      const found = images.map(({ name, label = '' }) => `${name.slice(folder.length + 1)} ${label}`.trim());
      return [...found.sort(), ...[...unused].map(String)];
    };
    const train = [
      'photos/train/cat/1.jpg cat',
      'photos/train/cat/deep/2.png cat',
      'photos/train/dog/3.jpg dog',
    ];
    const all = [...train, 'photos/val/dog/4.jpg dog', '.txt,1'];
    assert.deepEqual(await listed('photos'), all);
    assert.deepEqual(await listed('photos/train/'), train);
    assert.deepEqual(await listed('photos/train/cat', 'photos/train/dog'), [
      train[0],
      'photos/train/cat/deep/2.png cat',
      train[2],
    ]);
    assert.deepEqual(await listed('flat'), ['flat/5.jpg', 'flat/odd1.jpg', 'flat/odd[1].jpg']);
    assert.deepEqual(await listed('flat/odd[1].jpg'), ['flat/odd[1].jpg']);
    assert.deepEqual(await listed('flat/odd?.jpg'), ['flat/odd1.jpg']);
    assert.deepEqual(await listed('photos/*/dog/*'), [
      'photos/train/dog/3.jpg',
      'photos/val/dog/4.jpg',
      '.txt,1',
    ]);
    assert.deepEqual(await listed('photos//v*/'), ['photos/val/dog/4.jpg dog', '.txt,1']);
    assert.equal((await listed('photos/**')).length, 5);
    assert.equal((await listed('**/*.{jpg,png}')).length, 7);
  });

  it('do not stop the others when they cannot be listed or read', async (t) => {
    const folder = await folderWith(t, files);
    await mkdir(join(folder, 'empty'));
    await symlink('gone', join(folder, 'broken.jpg'));
    const cases: [string, RegExp][] = [
      ['none.jpg', /none\.jpg could not be read: there is no such file/],
      ['*.gif', /no image matches the pattern .*\*\.gif/],
      ['nowhere/*.jpg', /no image matches/],
      ['empty', /empty holds no image/],
      ['broken.jpg', /broken\.jpg could not be read: it is a link to gone, which does not exist/],
      ['flat/5.jpg/x.jpg', /could not be read: one of its folders is a file/],
      [`${'x'.repeat(300)}.jpg`, /too long for the file system/],
      ['a\nb.jpg', /a\\nb\.jpg could not be read/],
    ];
    const inputs = [...cases.map(([name]) => join(folder, name)), '/dev/zero', new Uint8Array(1)];
    const { images } = await listGivenImages(inputs);
    assert.equal(images.length, inputs.length);
    assert.equal(images.at(-1)!.name, `image ${inputs.length} of ${inputs.length}`);
    for (const [i, [, message]] of cases.entries()) await refused(images[i]!.read(), message);
    await refused(images.at(-2)!.read(), /zero could not be read: it is a pipe or a device/);
  });
});
