import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerOptions } from '../../../src/serve/server.ts';
import { png, temporaryFolder } from '../../support/images.ts';
import { HeldBackend, smallParts, smallServer, writeRun } from './small-server.ts';

async function listening(t: TestContext, options: Partial<ServerOptions>) {
  const server = await smallServer(t, options);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  return { ...server, port: (server.app.server.address() as AddressInfo).port };
}

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const post = 'POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n';

describe('connections', () => {
  it('whose headers never end are closed', async (t) => {
    const { port } = await listening(t, { timeouts: { headers: 100, request: 200 } });
    const socket = await open(t, port);
    socket.write('GET /v1/model HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    assert.match(await text(socket), /^HTTP\/1\.1 408/);
  });

  it('whose body never ends are closed, and release their slot', async (t) => {
    const { app, port } = await listening(t, { timeouts: { headers: 100, request: 200 }, queue: 1 });
    const socket = await open(t, port);
    socket.write(`${post}Content-Length: 1000\r\n\r\nx`);
    assert.match(await text(socket), /^HTTP\/1\.1 408/);
    while (!/^verydeep_places 0$/m.test((await app.inject('/metrics')).body)) await sleep(1);
  });

  it('that declare too large a body are refused before they send it', async (t) => {
    const { port } = await listening(t, { limits: { imageBytes: 1000 } });
    const socket = await open(t, port);
    socket.write(`${post}Content-Length: 99999999999\r\n\r\n`);
    assert.match(await text(socket), /^HTTP\/1\.1 413.*"code":"too_large"/s);
  });

  it('that send too large an undeclared body are cut off', async (t) => {
    const { port } = await listening(t, { limits: { imageBytes: 100_000 } });
    const socket = await open(t, port);
    socket.write(`${post}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const answer = text(socket);
    for (let sent = 0; sent < 20 && socket.writable; sent++) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
    assert.match(await answer, /^HTTP\/1\.1 413/);
  });

  it('beyond the maximum are dropped, and the others served', async (t) => {
    const { app, port } = await listening(t, { connections: 20 });
    const sockets = await Promise.all(Array.from({ length: 60 }, () => open(t, port)));
    // A socket that is not read does not notice its end.
    for (const socket of sockets) socket.resume();
    while (sockets.filter(({ destroyed }) => destroyed).length < 40) await sleep(1);
    const alive = sockets.filter((socket) => !socket.destroyed);
    assert.equal(alive.length, 20);
    alive[0]!.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    assert.match(await text(alive[0]!), /^HTTP\/1\.1 200/);
    assert.match((await app.inject('/metrics')).body, /^verydeep_dropped_connections_total 40$/m);
  });

  it('that do not speak HTTP are answered with 400', async (t) => {
    const { port } = await listening(t, {});
    const socket = await open(t, port);
    socket.write('\x16\x03\x01 nonsense\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1\.1 400/);
  });
});

describe('a server that is stopped', () => {
  it('finishes accepted requests, refuses new ones, and ends streams and idle connections', async (t) => {
    const held = new HeldBackend();
    const models = [await smallParts('held', 5, held.backend)];
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'));
    const { app, port } = await listening(t, { models, runs });
    const events = await fetch(`http://127.0.0.1:${port}/v1/runs/a/events`);
    const image = await png(40, 40);
    held.close();
    // A connection without a request.
    const idle = (await open(t, port)).resume();
    const path = '/v1/predict?protocol=center';
    const accepted = request({ port, host: '127.0.0.1', method: 'POST', path });
    accepted.setHeader('content-type', 'image/png');
    accepted.end(image);
    const answer = once(accepted, 'response');
    while (!/^verydeep_images_total 1$/m.test((await app.inject('/metrics')).body)) {
      await new Promise(setImmediate);
    }
    const closed = app.close();
    let late: Response;
    do late = await fetch(`http://127.0.0.1:${port}/v1/model`);
    while (late.status === 200);
    assert.equal(late.status, 503);
    assert.equal(late.headers.get('connection'), 'close');
    assert.match(await late.text(), /"code":"busy"/);
    held.open();
    const [response] = await answer;
    assert.equal(response.statusCode, 200);
    response.resume();
    await closed;
    assert.match(await events.text(), /event: state/);
    await once(idle, 'close');
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
  });
});
