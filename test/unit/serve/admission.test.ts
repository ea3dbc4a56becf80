import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerOptions } from '../../../src/serve/server.ts';
import { png } from '../../support/images.ts';
import {
  formRequest,
  HeldBackend,
  imageRequest,
  type SmallServer,
  smallParts,
  smallServer,
} from './small-server.ts';

/** A metric's value, or the sum over its labels. */
async function metric({ app }: SmallServer, name: string): Promise<number> {
  const { body } = await app.inject('/metrics');
  const lines = body.split('\n').filter((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  assert.ok(lines.length > 0, `no ${name}`);
  return lines.reduce((sum, one) => sum + Number(one.slice(one.lastIndexOf(' '))), 0);
}

/** Waits until a metric has a value. */
async function until(server: SmallServer, name: string, value: number): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if ((await metric(server, name)) === value) return;
    await sleep(5);
  }
  assert.fail(`${name} was never ${value}`);
}

async function heldServer(t: TestContext, options: Partial<ServerOptions> = {}) {
  const held = new HeldBackend();
  const server = await smallServer(t, { models: [await smallParts('held', 5, held.backend)], ...options });
  const image = await png(40, 40);
  return { ...server, held, server, image };
}

const CENTER = '/v1/predict?protocol=center';

describe('concurrent requests', () => {
  it('are computed together', async (t) => {
    const { server, held, ask, image } = await heldServer(t);
    held.close();
    const first = ask(imageRequest(CENTER, image));
    await until(server, 'verydeep_places', 1);
    await until(server, 'verydeep_images_total', 1);
    const others = Array.from({ length: 16 }, () => ask(imageRequest(CENTER, image)));
    await until(server, 'verydeep_images_total', 17);
    held.open();
    for (const { status } of await Promise.all([first, ...others])) assert.equal(status, 200);
    assert.equal(await metric(server, 'verydeep_batch_images_sum'), 17);
    // The first alone, a second batch written meanwhile, and the rest in powers of two.
    assert.ok((await metric(server, 'verydeep_batch_images_count')) <= 9);
  });

  it('beyond the queue are refused immediately, with a time to retry', async (t) => {
    const { server, held, ask, json, refused, image } = await heldServer(t, { queue: 2 });
    held.close();
    const accepted = [ask(imageRequest(CENTER, image)), ask(imageRequest(CENTER, image))];
    await until(server, 'verydeep_places', 2);
    const { headers } = await refused(imageRequest(CENTER, image), '503 busy');
    assert.match(String(headers['retry-after']), /^\d+$/);
    // Requests without work on images are still served.
    await json('/v1/model');
    held.open();
    for (const one of accepted) assert.equal((await one).status, 200);
    await until(server, 'verydeep_places', 0);
    await json(imageRequest(CENTER, image));
  });

  it('take a slot for each image and scale, and release all when there are too few', async (t) => {
    const { server, json, refused, image } = await heldServer(t, { queue: 3 });
    await json(imageRequest(`${CENTER}&scales=32,40,48`, image));
    for (const request of [
      imageRequest(`${CENTER}&scales=32,40,48,56`, image),
      formRequest(CENTER, { a: image, b: image, c: image, d: image }),
    ]) {
      await refused(request, '503 busy');
      await until(server, 'verydeep_places', 0);
    }
  });

  it('are refused when their bodies exceed the memory limit', async (t) => {
    const { server, refused } = await heldServer(t, { bodyBytes: 1000 });
    await refused(imageRequest(CENTER, Buffer.alloc(1001)), '503 busy');
    assert.equal(await metric(server, 'verydeep_places'), 0);
  });

  it('of clients that disconnect free their slots, and are not computed', async (t) => {
    const { server, held, image } = await heldServer(t, { queue: 3 });
    const address = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const body = new Uint8Array(image);
    const send = (signal: AbortSignal | null) =>
      fetch(address + CENTER, { method: 'POST', body, headers: { 'content-type': 'image/png' }, signal });
    held.close();
    const first = send(null);
    await until(server, 'verydeep_images_total', 1);
    await until(server, 'verydeep_waiting', 0);
    const client = new AbortController();
    const left = send(client.signal);
    await until(server, 'verydeep_places', 2);
    client.abort();
    await assert.rejects(left);
    await until(server, 'verydeep_places', 1);
    assert.equal(await metric(server, 'verydeep_clients_left_total'), 1);
    held.open();
    assert.equal((await first).status, 200);
    assert.deepEqual(server.logged, []);
  });

  it('that fail give a sentence only; the log has the details', async (t) => {
    const parts = await smallParts();
    const broken = { ...parts.backend, compile: () => Promise.reject(new Error('secret detail')) };
    const { logged, refused } = await smallServer(t, { models: [{ ...parts, backend: broken }] });
    const { body } = await refused(imageRequest(CENTER, await png(40, 40)), '500 internal');
    assert.doesNotMatch(body.error.message, /secret/);
    assert.match(logged.join('\n'), /secret detail/);
  });
});
