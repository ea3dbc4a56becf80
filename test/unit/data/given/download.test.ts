import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { downloadImage } from '../../../../src/data/sources/given/download.ts';
import { png } from '../../../support/images.ts';
import { refused } from '../../../support/refused.ts';

// A proxy would not reach this machine's servers.
for (const name of ['HTTP_PROXY', 'http_proxy']) delete process.env[name];

/** @returns makes the address of a path */
async function serverOf(t: TestContext, answer: RequestListener): Promise<(path: string) => URL> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (path) => new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

const limits = { bytes: 10_000, seconds: 0.5 };

describe('downloading an image', () => {
  it('follows redirects and goes by the bytes, whatever the content type', async (t) => {
    const image = await png(20, 20);
    const at = await serverOf(t, ({ url }, response) => {
      if (url === '/there') response.writeHead(302, { location: '/image' }).end();
      else response.writeHead(200, { 'content-type': 'text/html' }).end(image);
    });
    assert.deepEqual([...(await downloadImage(at('/there')))], [...image]);
  });

  it('is refused with a sentence that names the address', async (t) => {
    const page = '\n<!-- a -->\n<!DOCTYPE HTML><title>Not found</title>';
    const at = await serverOf(t, ({ url = '' }, response) => {
      const status = Number(url.slice(1));
      if (url === '/slow') return;
      if (url === '/page') response.end(page);
      else if (url === '/empty') response.end();
      else if (url === '/loop') response.writeHead(302, { location: '/loop' }).end();
      else if (url === '/elsewhere') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      else if (url === '/large') response.writeHead(200, { 'content-length': 10_001 }).write('x');
      else if (url === '/endless') for (let i = 0; i < 20; i++) response.write('x'.repeat(1000));
      else if (url === '/broken') response.write('x', () => response.destroy());
      else response.writeHead(status).end(page);
    });
    const cases: Readonly<Record<string, RegExp>> = {
      '/404': /404, so there is no such image; check the address$/,
      '/403': /403, .*download it in a browser and give the file$/,
      '/503': /503; try again later$/,
      '/304': /304; check the address$/,
      '/page': /it is a web page, not an image/,
      '/empty': /the server sent nothing/,
      '/loop': /redirects more than 8 times/,
      '/elsewhere': /file: is not encrypted; use an address that starts with https:/,
      '/large': /more than 0 MiB, the limit/,
      '/endless': /sent more than 10000 bytes/,
      '/broken': /the connection broke/,
      '/slow': /did not arrive within 0.5 seconds; try again/,
    };
    for (const [path, message] of Object.entries(cases)) {
      await refused(downloadImage(at(path), limits), at(path).href, message);
    }
  });

  it('names servers that cannot be found or reached, and refuses passwords', async () => {
    await refused(downloadImage(new URL('http://none.invalid/a.jpg')), /could not be reached/);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const unused = new URL(`http://127.0.0.1:${port}/a.jpg`);
    await refused(downloadImage(unused), /the connection was refused/);
    await refused(downloadImage(new URL('http://me:secret@127.0.0.1/')), /^an address with a user name/);
  });
});
