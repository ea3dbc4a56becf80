import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gradCamOf } from '../../../src/evaluate/protocol/grad-cam.ts';
import { toSharp } from '../../support/images.ts';
import { picture } from '../evaluate/small-models.ts';
import { HeldBackend, imageRequest, smallParts, smallServer } from './small-server.ts';

const image = picture(96, 64, 3);
const bytes = () => toSharp(image).png().toBuffer();

describe('POST /v1/grad-cam', () => {
  it('has the map of a class, by default of the most probable one', async (t) => {
    const parts = await smallParts();
    const { json, refused } = await smallServer(t, { models: [parts] });
    for (const query of ['', '&class=4']) {
      const body = await json(imageRequest(`/v1/grad-cam?scale=64${query}`, await bytes()));
      const expected = await gradCamOf(parts, image, query ? 4 : undefined);
      assert.deepEqual(body, { image: { width: 96, height: 64 }, scale: 64, ...expected });
      assert.deepEqual([body.rows, body.columns, body.effectiveStride], [4, 6, 16]);
    }
    await refused(imageRequest('/v1/grad-cam?class=5', await bytes()), '400 bad_request', /0 to 4/);
    await refused(imageRequest('/v1/grad-cam?scale=20', await bytes()), '400 bad_request', /too small/);
  });
});

describe('POST /v1/grad-cam of a client that has gone', () => {
  it('is not computed', async (t) => {
    const held = new HeldBackend();
    const models = [await smallParts('small', 5, held.backend)];
    const { app, json } = await smallServer(t, { models });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    let programs = 0;
    const compile = held.backend.compile.bind(held.backend);
    held.backend.compile = (...given) => {
      programs++;
      return compile(...given);
    };
    await json(imageRequest('/v1/grad-cam?scale=64', await bytes()));
    const each = programs;
    held.close();
    const leaving = new AbortController();
    const body = new Uint8Array(await bytes());
    const send = () =>
      fetch(`${address}/v1/grad-cam?scale=64`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'image/png' },
        signal: leaving.signal,
      }).catch(() => {});
    const asked = Array.from({ length: 5 }, send);
    await sleep(500);
    leaving.abort();
    await Promise.all(asked);
    await sleep(300);
    held.open();
    const before = programs;
    await json(imageRequest('/v1/grad-cam?scale=64', await bytes()));
    // The first one had begun.
    assert.ok(programs - before <= 2 * each, `${programs - before} programs, ${each} each`);
  });
});

describe('POST /v1/occlusion', () => {
  it('has the probability of the class while each square is hidden', async (t) => {
    const { json, refused } = await smallServer(t);
    const body = await json(imageRequest('/v1/occlusion?scale=64&patch=32', await bytes()));
    const { rows, columns, left, top, effectiveStride, window, map } = body;
    assert.deepEqual([rows, columns, left, top, effectiveStride, window], [3, 5, 0, 0, 16, 32]);
    assert.ok(map.length === 15 && map.every((value: number) => value > 0 && value < 1));
    const flipless = await json(imageRequest('/v1/grad-cam?scale=64', await bytes()));
    assert.equal(body.class.index, flipless.class.index);
    assert.ok(Math.abs(body.class.probability - flipless.class.probability) < 1e-6);
    const large = imageRequest('/v1/occlusion?scale=64&patch=65', await bytes());
    await refused(large, '400 bad_request', /does not fit/);
  });

  it('ends without harm when the client disconnects', async (t) => {
    const held = new HeldBackend();
    const models = [await smallParts('small', 5, held.backend)];
    const { app, json } = await smallServer(t, { models });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    held.close();
    const leaving = new AbortController();
    const options = { method: 'POST', body: new Uint8Array(await bytes()), signal: leaving.signal };
    const headers = { 'content-type': 'image/png' };
    const asked = fetch(`${address}/v1/occlusion?scale=64`, { ...options, headers });
    await sleep(300);
    leaving.abort();
    await assert.rejects(asked);
    await sleep(300);
    held.open();
    await json(imageRequest('/v1/occlusion?scale=64&patch=32', await bytes()));
  });

  it('counts each hidden square in the queue', async (t) => {
    const { refused, json } = await smallServer(t, { queue: 20 });
    const all = imageRequest('/v1/occlusion?scale=64', await bytes());
    await refused(all, '503 busy', /needs 151 places in the queue, which has 20/);
    await json(imageRequest('/v1/occlusion?scale=64&patch=32', await bytes()));
  });
});
