import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folderWith, idx, png, temporaryFolder, writeFiles } from '../../support/images.ts';
import { type Json, smallServer } from './small-server.ts';

describe('GET /v1/demo-images', () => {
  it('gives the training images of IDX files unchanged, in gray', async (t) => {
    const values = Uint8Array.from({ length: 3 * 6 * 6 }, (_, i) => (i * 7) % 256);
    const folder = await folderWith(t, {
      'train-images-idx3-ubyte': idx([3, 6, 6], values),
      'train-labels-idx1-ubyte': idx([3], Uint8Array.of(2, 0, 1)),
    });
    const { ask, json } = await smallServer(t, { demoData: folder });
    const { body: model } = await ask('/v1/model');
    assert.equal(model.demoImages, folder.slice(folder.lastIndexOf('/') + 1));
    const body = await json('/v1/demo-images');
    const { pixels, ...rest } = body as Json;
    assert.deepEqual(rest, {
      name: model.demoImages,
      ...{ classes: ['0', '1', '2'], labels: ['0', '1', '2'] },
      ...{ width: 6, height: 6, channels: 1 },
      imageLabels: [2, 0, 1],
    });
    assert.deepEqual(new Uint8Array(Buffer.from(pixels, 'base64')), values);
  });

  it('gives the centers of photographs, small and all of one size', async (t) => {
    const folder = await temporaryFolder(t);
    for (let i = 0; i < 4; i++) {
      await writeFiles(folder, { [`${i % 2 ? 'cat' : 'dog'}/${i}.png`]: await png(120 + i, 90, i) });
    }
    const { json } = await smallServer(t, { demoData: folder });
    const body = await json('/v1/demo-images');
    assert.deepEqual([body.width, body.height, body.channels], [40, 40, 3]);
    assert.deepEqual(body.classes, ['cat', 'dog']);
    assert.deepEqual(body.imageLabels, [0, 0, 1, 1]);
    const pixels = Buffer.from(body.pixels, 'base64');
    assert.equal(pixels.length, 4 * 40 * 40 * 3);
    // Red increases from left to right, and the center square starts at one eighth of the width: see `pattern`.
    assert.ok(Math.abs(pixels[0]! - (20 + 200 / 8)) < 5, String(pixels[0]));
  });

  it('reports missing images without the path of their folder', async (t) => {
    const { ask, refused } = await smallServer(t);
    assert.equal((await ask('/v1/model')).body.demoImages, undefined);
    await refused('/v1/demo-images', '404 not_found', /--demo-data/);
    const wrong = await smallServer(t, { demoData: '/nonexistent/photos' });
    const { body } = await wrong.refused(
      '/v1/demo-images',
      '409 not_available',
      /--demo-data must name a data set/,
    );
    assert.ok(!JSON.stringify(body).includes('nonexistent'));
    assert.match(wrong.logged.join(), /nonexistent/);
    const locked = await smallServer(t, { token: 'correct-horse-battery' });
    assert.equal((await locked.ask('/v1/demo-images')).status, 401);
  });
});
