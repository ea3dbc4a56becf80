import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import type { Json } from '../unit/serve/small-server.ts';
import { failed, jsonOf, succeeded, textOf, words } from './cli-process.ts';
import { QUICK, Workplace } from './training-runs.ts';

interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  /** Its stderr so far. */
  stderr(): string;
}

describe('vgg serve', () => {
  const work = new Workplace();
  const [runs, image] = [work.path('runs'), work.path('image.jpg')];
  const model = `${runs}/first/best.safetensors`;

  before(async () => {
    await succeeded(work.vgg`train ${work.path('photos')} --out ${runs}/first ${QUICK} --iterations 3`);
    await writeFiles(work.folder, { 'image.jpg': await jpeg(50, 44, 3), token: 'correct-horse-battery\n' });
  });

  async function serve(t: TestContext, ...args: string[]): Promise<Serving> {
    const child = work.start`serve --port 0 --threads 1 ${args}`;
    t.after(() => child.kill('SIGKILL'));
    const stderr = textOf(child, 'stderr');
    for (;;) {
      const [, url] = /Serving on (\S+)/.exec(stderr()) ?? [];
      if (url) return { url, child, stderr };
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')]);
      assert.equal(child.exitCode, null, stderr());
    }
  }

  async function predictOver(url: string, headers: Record<string, string> = {}) {
    return fetch(`${url}/v1/predict?top=3`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg', ...headers },
      body: new Uint8Array(await readFile(image)),
    });
  }

  it('predicts the same as vgg predict, and shuts down cleanly at SIGTERM', async (t) => {
    const { url, child, stderr } = await serve(t, '--model', model, '--runs', runs);
    const answer = await predictOver(url);
    assert.equal(answer.status, 200);
    const { images } = (await answer.json()) as Json;
    const expected = (await jsonOf(work.vgg`predict ${image} --model ${model} --top 3 --json`)).images[0].top;
    for (const [i, { label, probability }] of images[0].top.entries()) {
      assert.equal(label, expected[i].label);
      assert.ok(Math.abs(probability - expected[i].probability) < 1e-5);
    }
    const list = (await (await fetch(`${url}/v1/runs`)).json()) as Json;
    assert.deepEqual([list.runs.length, list.runs[0].id, list.runs[0].state], [1, 'first', 'finished']);
    const stream = await fetch(`${url}/v1/runs/first/events`);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, stderr());
    assert.match(await stream.text(), /event: metrics/);
  });

  it("makes a run's report, and shows its tables", async (t) => {
    const { url } = await serve(t, '--model', model, '--runs', runs);
    const { tables } = (await (await fetch(`${url}/v1/runs/first/tables`)).json()) as Json;
    assert.equal(tables[0].rows.length, 2);
    let report = await fetch(`${url}/v1/runs/first/report`);
    while (report.status === 202) {
      await report.text();
      report = await fetch(`${url}/v1/runs/first/report`);
    }
    assert.equal(report.status, 200);
    const html = await report.text();
    assert.match(html, /Learning curves/);
    assert.ok(!html.includes(work.folder), 'it names folders');
  });

  it('ends when npm, two processes above it, is killed', {
    skip: process.platform !== 'linux',
  }, async (t) => {
    const vgg = join(projectFolder, 'dist/src/cli/vgg.cjs');
    const script = `"${process.execPath}" "${vgg}" serve --port 0 --threads 1 --model "${model}" & wait`;
    const npm = spawn(
      process.execPath,
      [
        '-e',
        `require('node:child_process').spawn('sh', ['-c', process.argv[1]], { stdio: 'inherit' })`,
        script,
      ],
      { env: { ...process.env, npm_execpath: 'npm' }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    t.after(() => npm.kill('SIGKILL'));
    const stderr = textOf(npm, 'stderr');
    while (!stderr().includes('Serving on ')) await once(npm.stderr, 'data');
    npm.kill('SIGKILL');
    // The pipe closes with the last process that writes to it.
    await once(npm, 'close');
  });

  it('serves the newest run by default', async (t) => {
    const { stderr } = await serve(t, '--runs', runs);
    assert.match(stderr(), /newest run's best model, .*first.best\.safetensors/);
    assert.match(stderr(), /model first:/);
  });

  it('is open to other machines only with a token', async (t) => {
    await failed(work.vgg`serve --model ${model} --host 0.0.0.0 --port 0`, 2, /--token-file/);
    const { url } = await serve(t, '--model', model, '--token-file', work.path('token'));
    assert.equal((await predictOver(url)).status, 401);
    assert.equal((await predictOver(url, { authorization: 'Bearer correct-horse-battery' })).status, 200);
  });

  it('reports wrong arguments', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await writeFiles(work.folder, { short: 'secret\n' });
    const [short, nothing] = [work.path('short'), work.path('nothing')];
    const cases: [RegExp, string[]][] = [
      [/port \d+ is in use; choose another/, words`--model ${model} --port ${port}`],
      [/is not a folder/, words`--model ${model} --runs ${nothing}`],
      [/nothing\.safetensors/, words`--model ${nothing}.safetensors`],
      [/token file .* 16 or more/, words`--model ${model} --token-file ${short}`],
      [/nothing could not be read: there is no such file/, words`--model ${model} --token-file ${nothing}`],
    ];
    for (const [expected, args] of cases) {
      const { stderr } = await failed(work.vgg('serve', ...args), 1, expected);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
  });

  it('passes --precision on, and names the backend that has bf16', async () => {
    const args = words`--model ${model} --backend reference --precision bf16 --port 0`;
    await failed(
      work.vgg('serve', ...args),
      2,
      /precision bf16 works only with the native backend, not with/,
    );
  });
});
