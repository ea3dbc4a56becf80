import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { temporaryFolder } from '../../support/images.ts';
import { LABELS, smallParts, smallServer } from './small-server.ts';

describe('GET /v1/model/weights', () => {
  it('is a model file with the weights in use, without paths', async (t) => {
    const [first, second] = [await smallParts('first', 5), await smallParts('ein Modell', 6)];
    const { app } = await smallServer(t, { models: [first, second] });
    const folder = await temporaryFolder(t);
    const read = async (url: string) => {
      const answer = await app.inject(url);
      assert.equal(answer.statusCode, 200);
      assert.equal(answer.headers['content-type'], 'application/octet-stream');
      assert.equal(Number(answer.headers['content-length']), answer.rawPayload.length);
      const path = join(folder, 'model.safetensors');
      await writeFile(path, answer.rawPayload);
      return { model: await readModel(path), name: answer.headers['content-disposition'] };
    };
    const { model, name } = await read('/v1/model/weights?model=ein%20Modell');
    assert.equal(name, "attachment; filename*=UTF-8''ein%20Modell.safetensors");
    assert.deepEqual(model.labels, LABELS);
    assert.deepEqual(model.meanRgb, second.facts.meanRgb);
    assert.deepEqual(model.trainScale, second.facts.trainScale);
    assert.deepEqual(model.provenance, { createdBy: 'a test', data: 'photos' });
    for (const { name: tensor } of second.facts.network.parameters) {
      assert.deepEqual(model.tensors.get(tensor), await second.parameters.read('values', tensor), tensor);
    }
    const other = await read('/v1/model/weights');
    assert.match(String(other.name), /first\.safetensors$/);
    assert.notDeepEqual(other.model.tensors.get('fc8.weight'), model.tensors.get('fc8.weight'));
  });

  it('needs the token, finds models by name, and can be switched off', async (t) => {
    const token = 'correct-horse-battery';
    const locked = await smallServer(t, { token });
    assert.equal((await locked.ask('/v1/model/weights')).status, 401);
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await locked.ask({ url: '/v1/model/weights', headers })).status, 200);

    const open = await smallServer(t);
    for (const name of ['none', '../../etc/passwd']) {
      await open.refused(`/v1/model/weights?model=${name}`, '404 not_found');
    }
    assert.equal((await open.ask('/v1/model')).body.weights, true);

    const keeping = await smallServer(t, { weights: false });
    await keeping.refused('/v1/model/weights', '403 forbidden', /does not send weights/);
    assert.equal((await keeping.ask('/v1/model')).body.weights, false);
    const empty = await smallServer(t, { models: [] });
    assert.equal((await empty.ask('/v1/model/weights')).status, 404);
  });

  it('serves a few at a time, and frees the slot of a client that disconnects', async (t) => {
    const parts = await smallParts();
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    t.after(() => release());
    const slow = Object.create(parts.parameters, {
      read: { value: (...args: ['values', string]) => gate.then(() => parts.parameters.read(...args)) },
    });
    const { app } = await smallServer(t, { models: [{ ...parts, parameters: slow }] });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/v1/model/weights`;
    const client = new AbortController();
    const first = await fetch(url, { signal: client.signal });
    const others = await Promise.all([1, 2, 3].map(() => fetch(url)));
    const refused = await fetch(url);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '10');
    assert.equal(first.status, 200);
    client.abort();
    let status = 503;
    while (status === 503) status = await statusOf(url);
    assert.equal(status, 200);
    release();
    for (const answer of others) {
      assert.equal((await answer.arrayBuffer()).byteLength, Number(answer.headers.get('content-length')));
    }
  });
});

/** Disconnects as soon as the response has started. */
async function statusOf(url: string): Promise<number> {
  const client = new AbortController();
  const { status } = await fetch(url, { signal: client.signal });
  client.abort();
  return status;
}
