/** Models by name on the command line, from a hub on this machine. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { COMMIT, HubServer, sendRange } from '../support/hub-server.ts';
import { png } from '../support/images.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { fixture } from '../unit/weights/fixtures.ts';
import { outcomeOf, startVgg, succeeded, vggWith } from './cli-process.ts';

const temporary = new TemporaryFolder();
const weights = readFileSync(fixture('timm-d.safetensors'));
const config = {
  label_names: ['ant', 'bee', 'cat', 'dog', 'eel'],
  pretrained_cfg: { mean: [0, 0, 0], std: [1, 1, 1] },
};

describe('models by name', () => {
  /** A hub with one model, and an empty cache folder. */
  async function hub(name: string) {
    const server = await new HubServer().start();
    server.files.set('model.safetensors', weights);
    server.files.set('config.json', Buffer.from(JSON.stringify(config)));
    const cache = temporary.path(name);
    await mkdir(cache);
    const env = {
      XDG_CACHE_HOME: cache,
      HF_ENDPOINT: server.url,
      HF_HOME: join(cache, 'none'),
      HF_TOKEN: '',
    };
    return { server, env, sent: () => server.seen.filter(({ url }) => url === '/model.safetensors') };
  }

  it('classifies an image with a model of the hub, lists the model and removes it', async () => {
    const { env } = await hub('cache');
    const image = temporary.path('cat.png');
    await writeFile(image, await png(80, 80));
    const predicted = vggWith(
      env,
      'predict',
      image,
      '--model',
      'hf:owner/vgg',
      '--protocol',
      'center',
      '--json',
    );
    const { stdout, stderr } = await succeeded(predicted);
    assert.ok(config.label_names.includes(JSON.parse(stdout).images[0].top[0].label));
    assert.match(stderr, /downloading model\.safetensors of hf:owner\/vgg \(42\.6 KiB\)/);
    const { models } = JSON.parse((await succeeded(vggWith(env, 'models', '--json'))).stdout);
    assert.deepEqual(
      { name: models[0].name, license: models[0].license, revision: models[0].revision },
      { name: 'hf:owner/vgg', license: 'mit', revision: COMMIT },
    );
    assert.equal(models.length, 9);
    const { stdout: removed } = await succeeded(vggWith(env, 'models', 'remove', 'hf:owner/vgg'));
    assert.match(removed, /^Removed hf:owner\/vgg: 42\.\d KiB\.\n$/);
    assert.ok(!existsSync(models[0].path));
  });

  it('downloads once for two processes', async () => {
    const { server, env, sent } = await hub('shared');
    server.content.set('model.safetensors', (request, response) => {
      setTimeout(() => sendRange(request, response, weights), 500);
    });
    const inspect = () => succeeded(vggWith(env, 'inspect', 'hf:owner/vgg'));
    const [first, second] = await Promise.all([inspect(), inspect()]);
    server.content.clear();
    assert.equal(first.stdout, second.stdout);
    assert.equal(sent().length, 1);
  });

  it('continues after a process was killed', async () => {
    const { server, env, sent } = await hub('killed');
    server.content.set('model.safetensors', (_, response) => {
      response
        .writeHead(200, { 'content-length': String(weights.length) })
        .write(weights.subarray(0, 20_000));
    });
    const child = startVgg(env, 'inspect', 'hf:owner/vgg');
    const outcome = outcomeOf(child);
    const partial = join(
      env.XDG_CACHE_HOME,
      'verydeep/models/hf/owner/vgg',
      COMMIT,
      'model.safetensors.partial',
    );
    while ((await stat(partial).catch(() => undefined))?.size !== 20_000) await sleep(20);
    child.kill('SIGKILL');
    await outcome;
    server.content.clear();
    await succeeded(vggWith(env, 'inspect', 'hf:owner/vgg'));
    assert.equal(sent().at(-1)!.range, 'bytes=20000-');
    const folder = join(partial, '..');
    assert.deepEqual((await readdir(folder)).sort(), ['config.json', 'model.safetensors']);
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(readFileSync(join(folder, 'model.safetensors'))), hash(weights));
  });
});
