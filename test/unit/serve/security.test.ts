import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { folderWith, png } from '../../support/images.ts';
import { imageRequest, smallServer } from './small-server.ts';

const TOKEN = 'correct-horse-battery';

describe('a token', () => {
  it('is required by everything but the page and the health checks', async (t) => {
    const { ask, refused } = await smallServer(t, { token: TOKEN });
    for (const url of ['/', '/healthz', '/readyz']) assert.equal((await ask(url)).status, 200, url);
    for (const url of ['/v1/model', '/v1/runs', '/v1/runs/x/report', '/metrics', '/openapi.json']) {
      const { headers } = await refused(url, '401 unauthorized');
      assert.equal(headers['www-authenticate'], 'Bearer');
    }
    assert.equal((await ask(imageRequest('/v1/predict', await png(40, 40)))).status, 401);
  });

  it('gives access to everything, and nothing else does', async (t) => {
    const { ask } = await smallServer(t, { token: TOKEN });
    const statusWith = async (headers: Record<string, string>) =>
      (await ask({ url: '/v1/model', headers })).status;
    assert.equal(await statusWith({ authorization: `Bearer ${TOKEN}` }), 200);
    const others = [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`];
    for (const wrong of [...others, TOKEN, 'Bearer', 'Basic x', 'Bearer ü']) {
      assert.equal(await statusWith({ authorization: wrong }), 401, wrong);
    }
    assert.equal(await statusWith({ cookie: 'verydeep_session=' }), 401);
    assert.equal(await statusWith({ cookie: `verydeep_session=${TOKEN}` }), 401);
  });

  it('is exchanged for a cookie that scripts and other sites cannot use', async (t) => {
    const { ask } = await smallServer(t, { token: TOKEN });
    const open = (token: string) =>
      ask({ method: 'POST', url: '/v1/session', headers: { authorization: `Bearer ${token}` } });
    assert.equal((await open('wrong-wrong-wrong')).status, 401);
    const { status, headers } = await open(TOKEN);
    assert.equal(status, 204);
    const [cookie, ...attributes] = String(headers['set-cookie']).split('; ');
    assert.ok(attributes.includes('HttpOnly') && attributes.includes('SameSite=Strict'));
    assert.ok(!cookie!.includes(TOKEN));
    assert.equal((await ask({ url: '/v1/model', headers: { cookie: `other=1; ${cookie}` } })).status, 200);
  });
});

describe('other sites', () => {
  it('cannot reach a server without a token by their own host name', async (t) => {
    const { ask, refused } = await smallServer(t);
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080']) {
      assert.equal((await ask({ url: '/v1/model', headers: { host } })).status, 200, host);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:8080']) {
      await refused({ url: '/v1/model', headers: { host } }, '403 forbidden');
    }
  });

  it('cannot post from their pages, nor read', async (t) => {
    const { ask } = await smallServer(t);
    const image = await png(40, 40);
    const from = (origin: string) =>
      ask(imageRequest('/v1/predict', image, 'image/png', { origin, host: 'localhost:8080' }));
    for (const origin of ['https://evil.example', 'http://localhost:8081', 'null']) {
      assert.equal((await from(origin)).status, 403, origin);
    }
    const own = await from('http://localhost:8080');
    assert.equal(own.status, 200);
    assert.equal(own.headers['access-control-allow-origin'], undefined);
  });

  it('cannot embed anything, which could be expensive to make, but can link to it', async (t) => {
    const { ask } = await smallServer(t);
    const statusOf = async (site: string, target: string, method: 'GET' | 'POST' = 'GET') => {
      const headers = { 'sec-fetch-site': site, 'sec-fetch-dest': target };
      return (await ask({ method, url: method === 'GET' ? '/v1/model' : '/v1/session', headers })).status;
    };
    for (const site of ['cross-site', 'same-site']) {
      for (const target of ['image', 'iframe', 'script', 'empty']) {
        assert.equal(await statusOf(site, target), 403, `${site} ${target}`);
      }
      assert.equal(await statusOf(site, 'document'), 200);
      assert.equal(await statusOf(site, 'document', 'POST'), 403);
    }
    for (const site of ['same-origin', 'none']) assert.equal(await statusOf(site, 'empty'), 200);
  });

  it('can if they are allowed', async (t) => {
    const { ask } = await smallServer(t, { cors: ['https://friend.example'] });
    const allowedFor = async (origin: string) => {
      const headers = { origin, 'access-control-request-method': 'POST' };
      const preflight = await ask({ method: 'OPTIONS', url: '/v1/predict', headers });
      return preflight.headers['access-control-allow-origin'];
    };
    const origin = 'https://friend.example';
    assert.equal(await allowedFor(origin), origin);
    assert.equal(await allowedFor('https://evil.example'), undefined);
    const posted = await ask(imageRequest('/v1/predict', await png(40, 40), 'image/png', { origin }));
    assert.deepEqual([posted.status, posted.headers['access-control-allow-origin']], [200, origin]);
  });
});

describe('answers', () => {
  it('forbid browsers to sniff types and to load anything', async (t) => {
    const { ask } = await smallServer(t);
    for (const url of ['/v1/model', '/nothing', '/']) {
      const { headers } = await ask(url);
      assert.equal(headers['x-content-type-options'], 'nosniff', url);
      assert.match(String(headers['content-security-policy']), /default-src '(none|self)'/, url);
      // What several threads of WebAssembly need, also in the worker's script.
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin', url);
      assert.equal(headers['cross-origin-embedder-policy'], 'require-corp', url);
    }
  });
});

describe('the page', () => {
  it('that has not been built has instructions to build it', async (t) => {
    const { ask } = await smallServer(t);
    const { status, body, headers } = await ask('/');
    assert.equal(status, 200);
    assert.match(body, /npm run build/);
    const [, style] = /<style>([^<]+)<\/style>/.exec(body)!;
    const hash = createHash('sha256').update(style!).digest('base64');
    assert.ok(String(headers['content-security-policy']).includes(`style-src 'self' 'sha256-${hash}';`));
  });

  it('is its built files and nothing beside them', async (t) => {
    const folder = await folderWith(t, {
      'secret.txt': 'secret',
      'web/index.html': '<title>page</title>',
      'web/assets/index-abc.js': 'script',
      'web/.hidden': 'secret',
    });
    const { ask } = await smallServer(t, { page: `${folder}/web` });
    const page = await ask('/');
    assert.equal(page.status, 200);
    assert.match(page.body, /<title>page/);
    const policy = String(page.headers['content-security-policy']);
    assert.match(policy, /default-src 'self'/);
    assert.match(policy, /script-src 'self' 'wasm-unsafe-eval';/);
    assert.doesNotMatch(policy, /'unsafe/);
    const script = await ask('/assets/index-abc.js');
    assert.equal(script.status, 200);
    assert.match(String(script.headers['cache-control']), /immutable/);
    const up = ['../', '%2e%2e/', '..%2f', 'assets/../../', 'assets/%2e%2e%2f%2e%2e%2f', 'assets/..%5c..%5c'];
    const secrets = up.map((path) => `/${path}secret.txt`);
    const others = ['/.hidden', '/assets/', '/assets', '//etc/passwd', '/%00', '/index.html%00.js'];
    for (const url of [...secrets, ...others]) {
      const { status, body } = await ask(url);
      assert.ok(status === 404 || status === 400, `${url}: ${status}`);
      assert.doesNotMatch(JSON.stringify(body), /secret"/);
    }
  });
});
