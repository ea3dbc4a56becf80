import assert from 'node:assert/strict';
import { appendFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder, writeFiles } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { type Json, line, PAGES, smallServer, writeRun } from './small-server.ts';

describe('GET /v1/runs', () => {
  it('lists run folders with their progress and result', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'stopped one'), {
      'metrics.jsonl': line(10) + line(20, 'validation', 0.4) + line(30, 'validation', 0.3) + line(40),
      'last.safetensors': '',
    });
    await writeRun(join(runs, 'done'), {
      'result.json': JSON.stringify({ reason: 'iterations', iterations: 100, seconds: 5 }),
    });
    await writeRun(join(runs, 'live'), { '.lock': String(process.pid) });
    await mkdir(join(runs, 'no run'));
    await writeFiles(runs, { 'file.txt': '', 'broken/recipe.yaml': 'config: Z' });
    const { ask, json } = await smallServer(t, { runs });
    const body = await json('/v1/runs');
    const found = new Map(body.runs.map((run: Json) => [run.id, run]));
    assert.deepEqual([...found.keys()].sort(), ['done', 'live', 'stopped one']);
    const stopped = found.get('stopped one') as Json;
    const { state, config, iteration, epoch, totalIterations } = stopped;
    assert.deepEqual([state, config, iteration, epoch, totalIterations], ['stopped', 'A', 40, 4, 100]);
    assert.deepEqual(stopped.best, { top1Error: 0.3, top5Error: 0.1, iteration: 30 });
    assert.deepEqual([stopped.hasModel, stopped.hasReport], [true, true]);
    assert.equal((found.get('done') as Json).state, 'finished');
    assert.equal((found.get('live') as Json).state, 'running');
    assert.equal((found.get('live') as Json).hasModel, false);
    const { body: one } = await ask('/v1/runs/done');
    assert.deepEqual(one.result, { reason: 'iterations', iterations: 100, seconds: 5 });
    assert.equal(one.recipe.width, 0.25);
    assert.match(one.recipeYaml, /width: 0\.25/);
    assert.doesNotMatch(JSON.stringify(body) + JSON.stringify(one), /somebody/);
  });

  it('is empty without a folder, and when the folder is gone', async (t) => {
    const { ask } = await smallServer(t);
    assert.deepEqual((await ask('/v1/runs')).body, { runs: [] });
    assert.equal((await ask('/v1/runs/x')).status, 404);
    const { ask: other } = await smallServer(t, { runs: '/nonexistent' });
    assert.deepEqual((await other('/v1/runs')).body, { runs: [] });
  });

  it('refuses names that are too long or escaped wrongly like unknown addresses', async (t) => {
    const { refused } = await smallServer(t);
    for (const id of ['a'.repeat(300), '%E0%A4%A']) await refused(`/v1/runs/${id}`, '404 not_found');
  });

  it('reaches nothing outside of the folder', async (t) => {
    const folder = await temporaryFolder(t);
    const runs = join(folder, 'runs');
    await writeRun(join(folder, 'outside'), { 'metrics.jsonl': line(7) });
    await writeRun(join(runs, 'inside'), { 'last.safetensors': '' });
    await symlink(join(folder, 'outside'), join(runs, 'link'));
    await symlink(join(folder, 'outside', 'metrics.jsonl'), join(runs, 'inside', 'metrics.jsonl'));
    const { ask } = await smallServer(t, { runs });
    const up = ['..', '.', '%2e%2e', '..%2foutside', '%2e%2e%2foutside', '..%5coutside'];
    const outside = [...up, 'inside%2f..%2f..%2foutside'];
    const others = ['inside%2f', 'inside%00', '%00', 'link', 'x'.repeat(300), '__proto__', 'constructor'];
    for (const id of [...outside, encodeURIComponent(join(folder, 'outside')), ...others]) {
      for (const rest of ['', '/metrics', '/tables', '/report', '/events']) {
        const { status, body } = await ask(`/v1/runs/${id}${rest}`);
        assert.ok(status === 404 || status === 400 || status === 414, `${id}${rest}: ${status}`);
        assert.doesNotMatch(JSON.stringify(body), /somebody|"iteration"/);
      }
    }
    const { body } = await ask('/v1/runs');
    assert.deepEqual([pluck(body.runs, 'id'), pluck(body.runs, 'iteration')], [['inside'], [0]]);
    assert.deepEqual((await ask('/v1/runs/inside/metrics')).body.lines, []);
  });
});

describe("a run's metrics", () => {
  it('are given from a line on, up to the last complete line', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'), { 'metrics.jsonl': `${line(1)}${line(2)}{"kind":"tr` });
    const { ask } = await smallServer(t, { runs });
    const first = await ask('/v1/runs/a/metrics');
    assert.deepEqual(pluck(first.body.lines, 'iteration'), [1, 2]);
    assert.equal(first.body.next, 2);
    // The rest of the torn line, and another.
    await appendFile(join(runs, 'a', 'metrics.jsonl'), `${line(3).slice('{"kind":"tr'.length)}${line(4)}`);
    const second = await ask('/v1/runs/a/metrics?from=2');
    assert.deepEqual(pluck(second.body.lines, 'iteration'), [3, 4]);
    assert.equal(second.body.next, 4);
    assert.equal((await ask('/v1/runs/a/metrics?from=-1')).status, 400);
  });

  it('are those of the resumed run after it has gone back to its checkpoint', async (t) => {
    const runs = await temporaryFolder(t);
    const file = join(runs, 'a', 'metrics.jsonl');
    await writeRun(join(runs, 'a'), { 'metrics.jsonl': line(1) + line(2) + line(3) });
    const { ask, json } = await smallServer(t, { runs });
    assert.equal((await ask('/v1/runs/a/metrics')).body.next, 3);
    // Longer than before, with other lines.
    await writeFile(file, line(1) + line(20) + line(30) + line(40));
    const body = await json('/v1/runs/a/metrics');
    assert.deepEqual(pluck(body.lines, 'iteration'), [1, 20, 30, 40]);
  });

  it('arrive as events while they are written, and continue after a reconnect', async (t) => {
    const runs = await temporaryFolder(t);
    const file = join(runs, 'a', 'metrics.jsonl');
    await writeRun(join(runs, 'a'), { 'metrics.jsonl': line(1) + line(2) });
    const { app } = await smallServer(t, { runs });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    const stream = await openStream(`${address}/v1/runs/a/events`);
    assert.deepEqual(await stream.next(3), ['metrics 1 1', 'metrics 2 2', 'state 2 stopped']);
    await appendFile(file, line(3));
    await writeFile(join(runs, 'a', '.lock'), String(process.pid));
    assert.deepEqual(await stream.next(2), ['metrics 3 3', 'state 3 running']);
    await writeFile(file, line(1));
    assert.deepEqual(await stream.next(2), ['rewind 0 0', 'metrics 1 1']);
    stream.close();
    await appendFile(file, line(5));
    const resumed = await openStream(`${address}/v1/runs/a/events`, { 'last-event-id': '1' });
    assert.deepEqual(await resumed.next(2), ['metrics 2 5', 'state 2 running']);
    resumed.close();
  });
});

/** Reads events as `event id value`. */
async function openStream(url: string, headers: Record<string, string> = {}) {
  const controller = new AbortController();
  const answer = await fetch(url, { headers, signal: controller.signal });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    async next(count: number): Promise<string[]> {
      const events: string[] = [];
      while (events.length < count) {
        const end = text.indexOf('\n\n');
        if (end < 0) {
          const { value, done } = await reader.read();
          assert.ok(!done, 'the stream has ended');
          text += value;
          continue;
        }
        const [, event, id, data] = /^event: (\w+)\nid: (\d+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (event === undefined) continue;
        const { iteration, state, next } = JSON.parse(data!);
        events.push(`${event} ${id} ${iteration ?? state ?? next}`);
      }
      return events;
    },
    close: () => controller.abort(),
  };
}

describe("a run's report", () => {
  it('is made once for each model, and shows its progress meanwhile', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'), { 'last.safetensors': 'one' });
    let finish = (_: string) => {};
    let made = 0;
    const pages = {
      ...PAGES,
      report: (_: string, onProgress: (done: number, total: number) => void) => {
        made++;
        onProgress(3, 10);
        return new Promise<string>((resolve) => {
          finish = resolve;
        });
      },
      tables: async () => [{ title: 'x', columns: ['a', 'b'], rows: [['c', 1]] }],
    };
    const { ask } = await smallServer(t, { runs, pages });
    assert.equal((await ask('/v1/runs/a/report')).status, 202);
    const waiting = await ask('/v1/runs/a/report');
    assert.equal(waiting.status, 202);
    assert.match(waiting.body, /3 of 10 images/);
    finish('<!doctype html>done');
    await sleep(1);
    const done = await ask('/v1/runs/a/report');
    assert.deepEqual([done.status, done.body, made], [200, '<!doctype html>done', 1]);
    assert.match(String(done.headers['content-type']), /^text\/html/);
    assert.match(String(done.headers['content-security-policy']), /^default-src 'none'/);
    await writeFile(join(runs, 'a', 'last.safetensors'), 'another');
    assert.equal((await ask('/v1/runs/a/report')).status, 202);
    assert.equal(made, 2);
    assert.deepEqual((await ask('/v1/runs/a/tables')).body, { tables: await pages.tables() });
  });

  it('that cannot be made is refused without details, which only the log has', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'), { 'last.safetensors': '' });
    await writeRun(join(runs, 'young'));
    const report = () => Promise.reject(new Error('no /home/somebody'));
    const pages = { ...PAGES, report };
    const { logged, ask, refused } = await smallServer(t, { runs, pages });
    await ask('/v1/runs/a/report');
    await sleep(1);
    for (const id of ['a', 'young']) {
      const { body } = await refused(`/v1/runs/${id}/report`, '409 not_available');
      assert.doesNotMatch(body.error.message, /somebody/);
    }
    assert.match(logged.join(), /no \/home\/somebody/);
  });
});
