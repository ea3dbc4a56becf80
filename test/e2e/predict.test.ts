import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { Classifier } from '../../src/api/classifier.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { userError } from '../support/refused.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { fixture } from '../unit/weights/fixtures.ts';
import { failed, jsonOf, mainFile, outcomeOf, succeeded, vgg, words } from './cli-process.ts';

const work = new TemporaryFolder();
const [cat, dog] = [work.path('photos/cat/1.jpg'), work.path('photos/dog/2.jpg')];
const model = fixture('torch-d.pth');
before(async () => {
  await writeFiles(work.folder, { 'photos/cat/1.jpg': await jpeg(80, 70, 1), 'bad.jpg': 'no image' });
  await writeFiles(work.folder, { 'photos/dog/2.jpg': await jpeg(70, 90, 2) });
});

/** Runs `work` while a server sends the cat at every address. */
async function withServer<T>(work: (address: string) => Promise<T>): Promise<T> {
  const bytes = await readFile(cat);
  const server = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/cat.jpg`);
  } finally {
    server.close();
  }
}

describe('Classifier.predict', () => {
  test('takes paths, addresses, bytes and Blobs, alone or in an array', async () => {
    const options = { backend: 'reference', read: { convention: 'torchvision' } } as const;
    const classifier = await Classifier.open(model, options);
    try {
      const small = { protocol: 'center', flip: false } as const;
      const bytes = await readFile(cat);
      const expected = await classifier.predict(cat, small);
      const inputs = [bytes, new Uint8Array(bytes).buffer, new Blob([bytes])];
      const found = await withServer((address) => classifier.predict([...inputs, new URL(address)], small));
      assert.deepEqual(found, [expected, expected, expected, expected]);
      assert.deepEqual(await classifier.predict([], small), []);
      const wrong = classifier.predict([bytes, 7 as never], small);
      await assert.rejects(wrong, userError(/^image 2 of 2 is of type Number; give a path/));
      const damaged = classifier.predict([bytes, new Uint8Array(9)], small);
      await assert.rejects(damaged, userError(/^image 2 of 2 is not a JPEG/));
    } finally {
      classifier.close();
    }
  });
});

describe('vgg predict', () => {
  const common = words`--model ${model} --convention torchvision --protocol center --json`;

  test('takes folders, patterns, addresses and standard input', async () => {
    const inputs = [work.path('photos/dog'), `${work.folder}/*/*/1.jpg`, '-'];
    const { images } = await withServer(async (address) => {
      const child = spawn(process.execPath, [mainFile, ...words`predict ${inputs} ${address} ${common}`]);
      child.stdin.end(await readFile(cat));
      return jsonOf(outcomeOf(child));
    });
    const paths: string[] = pluck(images, 'path');
    assert.deepEqual(paths.slice(0, 3), [dog, cat, 'standard input']);
    assert.match(paths[3]!, /^http:/);
    assert.deepEqual(images[2].top, images[1].top);
    assert.deepEqual(images[3].top, images[1].top);
  });

  test('gives the results of the others when some cannot be used', async () => {
    const bad = [
      work.path('bad.jpg'),
      work.path('none.jpg'),
      work.path('no-*.jpg'),
      'http://127.0.0.1:1/a.jpg',
    ];
    const outcome = await vgg`predict ${cat} ${bad} ${dog} ${common}`;
    assert.equal(outcome.code, 1);
    const found = JSON.parse(outcome.stdout);
    assert.deepEqual(pluck(found.images, 'path'), [cat, dog]);
    assert.equal(found.bad.length, 4);
    assert.match(outcome.stderr, /4 of the 6 images cannot be used.*no-\*\.jpg; check it/s);
    await succeeded(vgg`predict ${cat} ${bad} ${dog} ${common} --skip-bad`);
  });

  test('refuses standard input that is empty or given twice', async () => {
    await failed(vgg`predict - ${common}`, 2, /standard input is empty; pipe an image into the command/);
    await failed(vgg`predict - - ${common}`, 2, /- can be given only once/);
  });
});
