import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join, relative } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { projectFolder } from '../../../src/core/project.ts';
import { downloadFile, type FileDownload } from '../../../src/weights/download/download-file.ts';
import { localModel } from '../../../src/weights/download/local-model.ts';
import {
  findDownloaded,
  listDownloaded,
  recordDownload,
  removeDownloaded,
} from '../../../src/weights/download/model-cache.ts';
import { downloadFolder, parseModelName } from '../../../src/weights/download/model-name.ts';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { COMMIT, HubServer, sendRange } from '../../support/hub-server.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const temporary = new TemporaryFolder();
const settings = ['XDG_CACHE_HOME', 'HF_HOME', 'HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE'] as const;
afterEach(() => {
  for (const name of [...settings, 'VERYDEEP_TORCHVISION_URL', 'HTTP_PROXY', 'NO_PROXY'])
    delete process.env[name];
});

let count = 0;
const weights = Buffer.from('weights '.repeat(50_000));

/** A server with one repository, whose name no other test uses, and an empty cache folder. */
async function hub(files: Readonly<Record<string, Buffer | string>>) {
  const server = await new HubServer(`owner/vgg${++count}`).start();
  for (const [name, content] of Object.entries(files)) server.files.set(name, Buffer.from(content));
  const cache = temporary.path(`cache${count}`);
  await mkdir(cache);
  process.env.XDG_CACHE_HOME = cache;
  process.env.HF_HOME = join(cache, 'hf');
  process.env.HF_ENDPOINT = server.url;
  return { server, cache, name: `hf:${server.repository}` };
}

function remove(name: string): Promise<number> {
  return removeDownloaded(name, downloadFolder(parseModelName(name)!));
}

/** All files in a folder, except records. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !name.includes('names/'));
}

describe('parseModelName', () => {
  it('tells names from paths', () => {
    assert.deepEqual(parseModelName('torchvision/vgg16_bn'), { kind: 'torchvision', name: 'vgg16_bn' });
    assert.deepEqual(parseModelName('hf:a/b.c'), {
      kind: 'hub',
      repository: 'a/b.c',
      revision: 'main',
      file: undefined,
    });
    assert.deepEqual(parseModelName('hf:a/b@refs/pr/1:sub/m.safetensors'), {
      kind: 'hub',
      repository: 'a/b',
      revision: 'refs/pr/1',
      file: 'sub/m.safetensors',
    });
    for (const path of [
      'vgg16.pth',
      'torchvision/vgg16.pth',
      './torchvision/vgg16',
      'runs/a/best.safetensors',
    ])
      assert.equal(parseModelName(path), undefined);
  });

  it('refuses names that lead elsewhere', () => {
    const names = [
      'hf:a',
      'hf:../b',
      'hf:a/..',
      'hf:a/b@../c',
      'hf:a/b:../c',
      'hf:a/b:/etc/passwd',
      'hf:a/b:c\\d',
    ];
    for (const name of [...names, 'torchvision/resnet50'])
      assert.throws(() => parseModelName(name), { name: 'UsageError' }, name);
  });

  it('gives any text a meaning or a usage error', () => {
    const parts = fc.constantFrom(
      'hf:',
      'torchvision/',
      '/',
      '..',
      '@',
      ':',
      'vgg16',
      'a',
      '\\',
      '\n',
      'é',
      'https://',
    );
    fc.assert(
      fc.property(fc.array(parts), (words) => {
        try {
          const name = parseModelName(words.join(''));
          if (name?.kind === 'hub')
            assert.ok(!`${name.repository}/${name.file ?? ''}`.split('/').includes('..'));
        } catch (error) {
          assert.equal((error as Error).name, 'UsageError');
        }
      }),
    );
  });
});

describe('downloadFile', () => {
  async function served(content: Buffer) {
    const { server, cache } = await hub({ 'm.bin': content });
    const path = join(cache, 'm.bin');
    const download: FileDownload = {
      url: `${server.contentUrl}/m.bin`,
      path,
      limit: 2 ** 20,
      retryMs: 1,
    };
    return { server, cache, path, download };
  }
  const sha256 = createHash('sha256').update(weights).digest('hex');

  it('continues where the connection broke, with the same version', async () => {
    const { server, path, download } = await served(weights);
    let cut = () => {};
    server.content.set('m.bin', (request, response) => {
      if (request.headers.range !== undefined) return sendRange(request, response, weights);
      response.setHeader('etag', `"${createHash('md5').update(weights).digest('hex')}"`);
      response.setHeader('content-length', String(weights.length));
      response.write(weights.subarray(0, 100_000));
      cut = () => void response.destroy();
    });
    const progress: number[] = [];
    const onProgress = (done: number) => {
      progress.push(done);
      cut();
    };
    await downloadFile({ ...download, onProgress });
    const [, second] = server.requests('m.bin');
    assert.match(second!.range!, /^bytes=[1-9]\d*-$/);
    assert.match(second!.ifRange!, /^"/);
    assert.equal(progress.at(-1), weights.length);
    assert.deepEqual(filesIn(join(path, '..')), ['m.bin']);
  });

  it('continues what an earlier process left, checked by its hash', async () => {
    const { server, path, download } = await served(weights);
    await writeFile(`${path}.partial`, weights.subarray(0, 1000));
    await writeFile(`${path}.partial.version`, sha256);
    await downloadFile({ ...download, expected: { sha256, bytes: weights.length } });
    assert.deepEqual(readFileSync(path), weights);
    assert.equal(server.requests('m.bin')[0]!.range, 'bytes=1000-');
  });

  it('starts again when another version is there, or the rest is not', async () => {
    for (const [left, version] of [
      [Buffer.from('another version'), '"old"'],
      [Buffer.from('no mark'), ''],
      [Buffer.concat([weights, weights]), sha256],
    ] as const) {
      const { path, download } = await served(weights);
      await writeFile(`${path}.partial`, left);
      if (version !== '') await writeFile(`${path}.partial.version`, version);
      await downloadFile({ ...download, expected: { sha256 } });
      assert.deepEqual(readFileSync(path), weights);
    }
  });

  it('asks again for what a server leaves out of a range', async () => {
    const { server, path, download } = await served(weights);
    server.content.set('m.bin', (request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? 'bytes=0-')![1]);
      const end = Math.min(start + 150_000, weights.length);
      const range = `bytes ${start}-${end - 1}/${weights.length}`;
      response.writeHead(206, { etag: '"1"', 'content-length': String(end - start), 'content-range': range });
      response.end(weights.subarray(start, end));
    });
    await downloadFile(download);
    assert.deepEqual(readFileSync(path), weights);
    assert.equal(server.requests('m.bin').length, 3);
  });

  it('starts again when the rest is of another version, although the server was asked for the same', async () => {
    const { server, path, download } = await served(weights);
    await writeFile(`${path}.partial`, Buffer.alloc(1000));
    await writeFile(`${path}.partial.version`, '"old"');
    server.content.set('m.bin', (request, response) => {
      delete request.headers['if-range'];
      sendRange(request, response, weights);
    });
    await downloadFile(download);
    assert.deepEqual(readFileSync(path), weights);
  });

  it('keeps nothing with a wrong hash or size', async () => {
    const { cache, download } = await served(weights);
    await refused(
      downloadFile({ ...download, expected: { sha256: '00000000' } }),
      /should start with 00000000/,
    );
    await refused(downloadFile({ ...download, expected: { gitSha1: '0'.repeat(40) } }), /differs/);
    await refused(downloadFile({ ...download, expected: { bytes: 7 } }), /instead of 7/);
    assert.deepEqual(filesIn(cache), []);
  });

  const hostile: Record<string, [Parameters<HubServer['content']['set']>[1], RegExp]> = {
    'an endless body': [
      (_, response) => {
        response.writeHead(200);
        const send = (): void => {
          while (!response.destroyed && response.write(weights)) {}
          if (!response.destroyed) response.once('drain', send);
        };
        send();
      },
      /sends more than a model file can have/,
    ],
    'a huge content length': [
      (_, response) => void response.writeHead(200, { 'content-length': String(2 ** 50) }).write('x'),
      /more than the limit/,
    ],
    'a web page': [
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /is a web page/,
    ],
    'a redirect to itself': [
      (_, response) => void response.writeHead(302, { location: '/m.bin' }).end(),
      /redirects more than 8 times/,
    ],
    'a redirect to an unencrypted address': [
      (_, response) => void response.writeHead(302, { location: 'http://example.com/m.bin' }).end(),
      /example\.com is not encrypted/,
    ],
    'a redirect to a local file': [
      (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      /not encrypted/,
    ],
    'a compressed body': [
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x')),
      /sends the file compressed \(gzip\)/,
    ],
    'ranges of another place': [
      (_, response) =>
        void response.writeHead(206, { 'content-range': 'bytes 7-8/9', 'content-length': '2' }).end('xx'),
      /sent another part of the file/,
    ],
    'a missing file': [(_, response) => void response.writeHead(404).end(), /there is no such file/],
    'a server that is always busy': [
      (_, response) => void response.writeHead(503).end(),
      /is busy \(status 503\)/,
    ],
    'a server that stops sending': [
      (_, response) => void response.writeHead(200, { 'content-length': '9' }).write('x'),
      /stopped sending/,
    ],
  };
  for (const [what, [answer, message]] of Object.entries(hostile)) {
    it(`refuses ${what}`, async () => {
      const { server, path, download } = await served(weights);
      server.content.set('m.bin', answer);
      const idleMs = what.includes('stops') ? 500 : undefined;
      await refused(downloadFile({ ...download, idleMs }), message);
      assert.ok(!existsSync(path));
    });
  }

  const needsRoot = process.getuid?.() !== 0 && 'mounting a small disk needs root';
  it('reports a full disk, before or while it fills', { skip: needsRoot }, async (t) => {
    const { server, cache, download } = await served(weights);
    const disk = join(cache, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    t.after(() => execFileSync('umount', [disk]));
    const path = join(disk, 'm.bin');
    await refused(downloadFile({ ...download, path }), /but its disk has only \d+ left/);
    server.content.set('m.bin', (_, response) => void response.writeHead(200).end(weights));
    await refused(downloadFile({ ...download, path }), /the disk is full; free some space/);
    assert.ok(!existsSync(path));
  });
});

describe('localModel', () => {
  it('downloads a repository once, with its description, and without a token for other hosts', async () => {
    const { server, cache, name } = await hub({
      'model.safetensors': weights,
      'config.json': '{}',
      'run.py': 'raise SystemExit',
      'README.md': '',
    });
    server.token = 'hf_secret';
    process.env.HF_TOKEN = 'hf_secret';
    const path = await localModel(name);
    assert.deepEqual(readFileSync(path), weights);
    assert.deepEqual(
      filesIn(cache)
        .map((file) => file.split(COMMIT)[1])
        .sort(),
      ['/config.json', '/model.safetensors'],
    );
    assert.ok(server.seen.some(({ authorization }) => authorization === 'Bearer hf_secret'));
    const elsewhere = server.seen.filter(({ url }) => url === '/model.safetensors' || url === '/config.json');
    assert.ok(elsewhere.length === 2 && elsewhere.every(({ authorization }) => authorization === undefined));
    const [model] = await listDownloaded();
    assert.equal(model!.license, 'mit');
    assert.equal(model!.revision, COMMIT);
    process.env.HF_HUB_OFFLINE = '1';
    assert.equal((await findDownloaded(join(cache, 'verydeep/models'), name))!.path, path);
    assert.equal(await remove(name), weights.length + 2);
    assert.deepEqual(filesIn(cache), []);
    await refused(remove(name), /was not downloaded/);
    await refused(localModel(name), /HF_HUB_OFFLINE is set/);
  });

  it('names what is missing, private or gated', async () => {
    const { server, name } = await hub({ 'a.safetensors': weights, 'b.safetensors': weights });
    await refused(localModel(name), /several files of weights; name one: .*:a\.safetensors/);
    await refused(localModel(`${name}:c.safetensors`), /has no file c\.safetensors/);
    await refused(localModel(`${name}@v2`), /does not exist/);
    await refused(localModel('hf:owner/nothing'), /does not exist or is private; .*HF_TOKEN/);
    server.hub.set(`/api/models/${server.repository}/revision/main`, (_, response) =>
      response.writeHead(403, { 'x-error-code': 'GatedRepo' }).end(),
    );
    await refused(localModel(`${name}:a.safetensors`), /is gated: accept its conditions/);
  });

  it('needs no list of files when the server has none', async () => {
    const { server, name } = await hub({ 'pytorch_model.bin': weights, 'config.json': '{}' });
    const api = `/api/models/${server.repository}/revision/main`;
    server.hub.set(api, (_, response) => void response.writeHead(404).end());
    const path = await localModel(name);
    assert.deepEqual(readFileSync(path), weights);
    assert.ok(existsSync(join(path, '../config.json')));
    server.hub.set(api, (_, response) => void response.writeHead(200).end('<html>'));
    await refused(localModel(`${name}@main`), /did not describe .* check HF_ENDPOINT/);
    server.hub.set(api, (_, response) => {
      response.writeHead(200);
      for (let i = 0; i < 60 && !response.destroyed; i++) response.write(weights);
    });
    await refused(localModel(`${name}@main`), /sent more than 16777216 bytes/);
  });

  it('never leaves its folder, whatever names the hub lists', async () => {
    const { server, name, cache } = await hub({ 'model.safetensors.index.json': '' });
    server.files.set(
      'model.safetensors.index.json',
      Buffer.from('{"weight_map": {"a": "../../evil.safetensors"}}'),
    );
    await refused(localModel(name), /does not name a file for each tensor/);
    server.files.clear();
    server.files.set('../../evil.safetensors', weights);
    await refused(localModel(name), /no file of weights/);
    assert.ok(filesIn(cache).every((file) => file.startsWith('verydeep/models/hf/')));
  });

  it('refuses content that does not have the hash that the hub lists', async () => {
    const { server, name } = await hub({ 'model.safetensors': weights });
    server.content.set('model.safetensors', (_, response) => {
      response.end(Buffer.from(weights).fill(0, 0, 1));
    });
    await refused(localModel(name), /its SHA-256 is .*, but should be/);
  });

  it('removes one commit and not another, and what an interrupted download left', async () => {
    const { server, name, cache } = await hub({ 'model.safetensors': weights });
    const path = await localModel(name);
    server.commit = 'beef'.padEnd(40, '0');
    const newer = await localModel(`${name}@main`);
    assert.ok(newer !== path && existsSync(path));
    assert.equal(await remove(name), weights.length);
    assert.ok(!existsSync(path) && existsSync(newer));
    await writeFile(`${newer}.partial`, 'begun');
    assert.equal(await remove(`${name}@main`), weights.length + 5);
    assert.deepEqual(filesIn(cache), []);
  });

  it('replaces the commit that a name had before', async () => {
    const { cache } = await hub({});
    const folder = join(cache, 'verydeep/models');
    for (const commit of ['old', 'new']) {
      await mkdir(join(folder, commit), { recursive: true });
      await writeFile(join(folder, commit, 'm.bin'), commit);
      await recordDownload(folder, { name: 'n', source: 's' }, [join(folder, commit, 'm.bin')]);
    }
    assert.deepEqual(filesIn(folder), ['new/m.bin']);
  });

  it('keeps no web page or pointer in place of weights', async () => {
    const { server, cache } = await hub({ 'page.pth': '<!DOCTYPE html>', 'empty.pth': '' });
    await refused(localModel(`${server.contentUrl}/page.pth`), /page\.pth is a web page/);
    await refused(localModel(`${server.contentUrl}/empty.pth`), /empty\.pth is an empty file/);
    assert.deepEqual(filesIn(cache), []);
  });

  it('uses the copy from before when the hub cannot be reached, with a note', async () => {
    const { server, name } = await hub({ 'model.safetensors': weights });
    const path = await localModel(name);
    server.hub.set(`/api/models/${server.repository}/revision/main`, (_, response) =>
      response.writeHead(502).end(),
    );
    const notes: string[] = [];
    const { downloadFromHub } = await import('../../../src/weights/download/hugging-face.ts');
    const folder = join(process.env.XDG_CACHE_HOME!, 'verydeep/models');
    const before = await findDownloaded(folder, name);
    const parsed = parseModelName(name) as Extract<ReturnType<typeof parseModelName>, { kind: 'hub' }>;
    const again = await downloadFromHub({
      ...{ name, parsed, folder, before, place: folder },
      onNote: (note) => notes.push(note),
    });
    assert.equal(again.path, path);
    assert.match(notes.join(), /using the copy of .* from an earlier download/);
  });

  it("uses a file in the cache of Hugging Face's library", async () => {
    const { server, name, cache } = await hub({ 'model.safetensors': weights });
    const folder = join(cache, 'hf/hub', `models--${server.repository.replace('/', '--')}`);
    await mkdir(join(folder, 'snapshots', COMMIT), { recursive: true });
    await writeFile(join(folder, 'snapshots', COMMIT, 'model.safetensors'), weights);
    assert.equal(await localModel(name), join(folder, 'snapshots', COMMIT, 'model.safetensors'));
    assert.equal(server.requests('resolve').length, 0);
  });

  it('is shared by two that ask at the same time', async () => {
    const { server, name } = await hub({ 'model.safetensors': weights });
    const other = `${name}@main`;
    const [first, second] = await Promise.all([localModel(name), localModel(other)]);
    assert.equal(first, second);
    assert.equal(server.seen.filter(({ url }) => url === '/model.safetensors').length, 1);
  });

  it("checks torchvision's files by the hash in their names", async () => {
    const { server, cache } = await hub({ 'vgg11-8a719046.pth': weights });
    process.env.VERYDEEP_TORCHVISION_URL = server.contentUrl;
    await refused(localModel('torchvision/vgg11'), /should start with 8a719046/);
    assert.deepEqual(filesIn(cache), []);
  });

  it('takes the address of a file', async () => {
    const { server } = await hub({ 'm.pth': weights });
    assert.deepEqual(readFileSync(await localModel(`${server.contentUrl}/m.pth?download=1`)), weights);
    await refused(localModel('http://example.com/m.pth'), /is not encrypted/);
    await refused(localModel(`${server.contentUrl}/`), /does not end with the name of a file/);
    await refused(localModel('https://user:secret@example.com/m.pth'), /user name or password/);
  });

  it('sends requests through the proxy of the environment, except to this machine', async (t) => {
    // The agents read the environment once, so this runs in a process of its own.
    const { server, cache, name } = await hub({ 'm.pth': weights });
    const { vggWith } = await import('../../e2e/cli-process.ts');
    const asked: string[] = [];
    const proxy = createServer((request, response) => void response.writeHead(400).end(request.url));
    proxy.on('connect', (request, client) => {
      asked.push(request.url!);
      const upstream = connect(Number(new URL(server.url).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.after(() => proxy.close());
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const environment = { XDG_CACHE_HOME: cache, HF_HOME: join(cache, 'hf'), NO_PROXY: '' };
    // Only the proxy knows hub.test. The content is on this machine.
    const proxied = { ...environment, HTTP_PROXY: address, HF_ENDPOINT: 'http://hub.test:81' };
    assert.match((await vggWith(proxied, 'inspect', `${name}:m.pth`)).stderr, /m\.pth/);
    assert.ok(asked.length > 0 && asked.every((target) => target === 'hub.test:81'));
    assert.equal(server.requests('m.pth').filter(({ method }) => method === 'GET').length, 2);
    const without = { ...proxied, NO_PROXY: 'hub.test' };
    assert.match((await vggWith(without, 'inspect', `${name}@main:m.pth`)).stderr, /hub\.test.*name/);
    const nowhere = { ...environment, HTTP_PROXY: 'http://127.0.0.1:9' };
    assert.match((await vggWith(nowhere, 'inspect', `${server.contentUrl}/m.pth`)).stderr, /m\.pth/);
  });

  const isRoot = process.getuid?.() === 0 || 'making a folder read-only needs root';
  it('uses what a read-only cache holds, and names the folder if it lacks the model', {
    skip: isRoot !== true && isRoot,
  }, async (t) => {
    const { cache, name } = await hub({ 'model.safetensors': weights });
    const path = await localModel(name);
    execFileSync('mount', ['--bind', cache, cache]);
    t.after(() => execFileSync('umount', [cache]));
    execFileSync('mount', ['-o', 'remount,ro,bind', cache]);
    const { vggWith } = await import('../../e2e/cli-process.ts');
    const environment = {
      XDG_CACHE_HOME: cache,
      HF_HOME: join(cache, 'hf'),
      HF_ENDPOINT: process.env.HF_ENDPOINT!,
    };
    const { stderr } = await vggWith(environment, 'inspect', name);
    assert.match(stderr, /using the copy of hf:.* from an earlier download: .*could not be written/);
    assert.match(stderr, new RegExp(path));
    const missing = await vggWith(environment, 'inspect', `${name}:other.safetensors`);
    assert.match(missing.stderr, /could not be written/);
  });
});

describe('a model of the hub', () => {
  it('has the classes and preprocessing of its description', async () => {
    const file = readFileSync(join(projectFolder, 'test/fixtures/weights/timm-d.safetensors'));
    const config = {
      label_names: ['a', 'b', 'c', 'd', 'e'],
      label_descriptions: { a: 'Ant' },
      pretrained_cfg: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    };
    const { name } = await hub({ 'model.safetensors': file, 'config.json': JSON.stringify(config) });
    const model = await readModel(name);
    assert.deepEqual(model.classes, ['a', 'b', 'c', 'd', 'e']);
    assert.equal(model.labels[0], 'Ant');
    assert.deepEqual(model.meanRgb, [127.5, 127.5, 127.5]);
  });
});
