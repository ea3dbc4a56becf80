import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { UserError } from '../../../src/core/errors.ts';
import { loadModel } from '../../../src/evaluate/inference/load-model.ts';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { writeModel } from '../../../src/weights/model/write-model.ts';
import { reference } from '../../support/backends.ts';
import { jpeg, temporaryFolder } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { imageRequest, line, PAGES, smallParts, smallServer, writeRun } from './small-server.ts';

/** Writes a run with a model, random by its seed. */
async function writeModelOf(run: string, seed: number, file = 'best.safetensors'): Promise<void> {
  const { facts, parameters } = await smallParts('x', seed);
  const names = facts.network.parameters.map(({ name }) => name);
  const tensors = new Map<string, Float32Array>();
  for (const name of names) tensors.set(name, await parameters.read('values', name));
  await writeModel(join(run, file), { ...facts, tensors });
}

async function serverWithRuns(t: TestContext) {
  const runs = await temporaryFolder(t);
  const server = await smallServer(t, {
    runs,
    openModel: async (run, file, taken) => {
      const { facts, backend, parameters } = await loadModel(reference, file);
      const name = taken.has('first') ? 'second' : 'first';
      return { name, facts, backend, parameters, checksum: `${await readFile(file, 'hex')}`, run, file };
    },
  });
  return { ...server, runs };
}

const post = (url: string, body?: object) => ({
  method: 'POST' as const,
  url,
  ...(body && { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
});

describe('the notes of a run', () => {
  it('give it a name and a text, which its folder keeps', async (t) => {
    const { runs, json } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'));
    assert.deepEqual(await json(post('/v1/runs/a/notes', { name: ' Larger crops ', notes: 'one\ntwo' })), {
      name: 'Larger crops',
      notes: 'one\ntwo',
    });
    const [run] = (await json('/v1/runs')).runs;
    assert.deepEqual([run.id, run.name, run.notes], ['a', 'Larger crops', 'one\ntwo']);
    assert.equal(JSON.parse(await readFile(join(runs, 'a/notes.json'), 'utf8')).name, 'Larger crops');
  });

  it('are refused with a sentence if they are too long, unknown or not JSON', async (t) => {
    const { runs, refused } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'));
    await refused(post('/v1/runs/a/notes', { name: 'x'.repeat(101) }), '400 bad_request', /name/);
    await refused(post('/v1/runs/a/notes', { title: 'x' }), '400 bad_request', /title/);
    const text = { payload: '{', headers: { 'content-type': 'application/json' } };
    await refused({ method: 'POST', url: '/v1/runs/a/notes', ...text }, '400 bad_request', /not valid JSON/);
    await refused(post('/v1/runs/b/notes', { name: 'x' }), '404 not_found');
    await refused(
      post('/v1/runs/a/notes', { notes: 'x'.repeat(70_000) }),
      '413 too_large',
      /65536 bytes.*text/,
    );
    const form = { payload: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    await refused({ method: 'POST', url: '/v1/runs/a/notes', ...form }, '415 unsupported_type', /send JSON/);
  });

  it('that are damaged count as none', async (t) => {
    const { runs, json } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'), { 'notes.json': '{"name": 1' });
    const [run] = (await json('/v1/runs')).runs;
    assert.deepEqual([run.name, run.notes], ['', '']);
  });
});

describe('POST /v1/runs/:id/use', () => {
  it("serves a run's model at once, and a newer one under the same name", async (t) => {
    const { runs, json } = await serverWithRuns(t);
    const image = await jpeg(48, 48, 1);
    await writeRun(join(runs, 'a'));
    await writeModelOf(join(runs, 'a'), 7);
    assert.deepEqual(await json(post('/v1/runs/a/use')), { model: 'first' });
    assert.deepEqual(await json(post('/v1/runs/a/use')), { model: 'first' });
    const before = await json(imageRequest('/v1/predict?model=first', image, 'image/jpeg'));
    await writeModelOf(join(runs, 'a'), 8);
    assert.deepEqual(await json(post('/v1/runs/a/use')), { model: 'first' });
    const after = await json(imageRequest('/v1/predict?model=first', image, 'image/jpeg'));
    assert.notDeepEqual(
      pluck(after.images[0].top, 'probability'),
      pluck(before.images[0].top, 'probability'),
    );
    const { models } = await json('/v1/model');
    assert.deepEqual(pluck(models, 'name'), ['small', 'first']);
  });

  it('keeps the models that the server started with, also in newer versions', async (t) => {
    const runs = await temporaryFolder(t);
    for (const [seed, id] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
      await writeRun(join(runs, id));
      await writeModelOf(join(runs, id), seed);
    }
    const file = join(runs, 'a/best.safetensors');
    const models = [{ ...(await smallParts('a', 0)), file }];
    const { json } = await smallServer(t, {
      runs,
      models,
      openModel: async (run, path) => {
        const { facts, backend, parameters } = await loadModel(reference, path);
        return { name: basename(run), facts, backend, parameters, checksum: 'newer', run, file: path };
      },
    });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await json(post(`/v1/runs/${id}/use`));
    assert.deepEqual(pluck((await json('/v1/model')).models, 'name'), ['a', 'c', 'd', 'e', 'f']);
  });

  it('is refused without a model, with a broken one, and by a server that keeps to its models', async (t) => {
    const { runs, refused, logged } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'));
    await refused(post('/v1/runs/a/use'), '409 not_available', /no model yet/);
    await writeFile(join(runs, 'a/best.safetensors'), 'broken');
    await refused(post('/v1/runs/a/use'), '409 not_available', /cannot be loaded/);
    assert.match(logged.join('\n'), /best\.safetensors/);
    await writeModelOf(join(runs, 'a'), 7);
    const fixed = await smallServer(t, { runs });
    await fixed.refused(post('/v1/runs/a/use'), '403 forbidden');
  });
});

describe('GET /v1/runs/:id/card', () => {
  it('that cannot be made is refused without details, which only the log has', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'));
    await writeModelOf(join(runs, 'a'), 7);
    const card = async () => {
      throw new UserError('/home/ann/a predicts boxes, not classes');
    };
    const models = [{ ...(await smallParts()), run: '/runs/a' }];
    const { refused, logged } = await smallServer(t, { runs, models, pages: { ...PAGES, card } });
    for (const url of ['/v1/runs/a/card', '/v1/model/card']) {
      const { body } = await refused(url, '409 not_available', /cannot be made.*log/);
      assert.doesNotMatch(JSON.stringify(body), /home/);
    }
    assert.deepEqual(
      logged,
      Array.from({ length: 2 }, () => '/home/ann/a predicts boxes, not classes'),
    );
  });
});

describe('GET /v1/runs/:id/model', () => {
  it('that is damaged is refused without details', async (t) => {
    const { runs, refused, logged } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'), { 'best.safetensors': 'broken' });
    await refused('/v1/runs/a/model', '409 not_available', /cannot be read/);
    assert.match(logged.join('\n'), /^[^\n]*best\.safetensors[^\n]*$/);
  });

  it('is the best model, or the last on request, without folders of the machine', async (t) => {
    const { runs, app, refused } = await serverWithRuns(t);
    const run = join(runs, 'a');
    await writeRun(run);
    await refused('/v1/runs/a/model', '409 not_available', /no model yet/);
    await writeModelOf(run, 7, 'last.safetensors');
    await refused('/v1/runs/a/model?checkpoint=best', '409 not_available', /no best model yet/);
    await writeModelOf(run, 8);
    for (const [query, file] of [
      ['', 'best'],
      ['?checkpoint=last', 'last'],
    ] as const) {
      const answer = await app.inject(`/v1/runs/a/model${query}`);
      assert.equal(answer.statusCode, 200);
      assert.match(String(answer.headers['content-disposition']), new RegExp(`a-${file}\\.safetensors`));
      const saved = join(runs, 'saved.safetensors');
      await writeFile(saved, answer.rawPayload);
      const [got, had] = [await readModel(saved), await readModel(join(run, `${file}.safetensors`))];
      assert.deepEqual(got.tensors, had.tensors);
      assert.equal(got.provenance.data, 'photos');
    }
  });

  it('is refused where weights are not sent', async (t) => {
    const { runs } = await serverWithRuns(t);
    await writeRun(join(runs, 'a'));
    await writeModelOf(join(runs, 'a'), 7);
    const keeping = await smallServer(t, { runs, weights: false });
    await keeping.refused('/v1/runs/a/model', '403 forbidden', /--no-weights/);
  });
});

describe('GET /v1/model/card', () => {
  it('is the card of a model of a run, and refused for another', async (t) => {
    const parts = await smallParts();
    const card = async (run: string) => `# Card of ${run}`;
    const models = [{ ...parts, run: '/runs/a' }, { ...(await smallParts('other')) }];
    const { ask, json, refused } = await smallServer(t, { models, pages: { ...PAGES, card } });
    const { body, headers } = await ask('/v1/model/card');
    assert.equal(body, '# Card of /runs/a');
    assert.match(String(headers['content-type']), /^text\/markdown/);
    await refused('/v1/model/card?model=other', '409 not_available');
    assert.deepEqual(pluck((await json('/v1/model')).models, 'hasCard'), [true, false]);
  });
});

describe('the list of runs', () => {
  it('says how much time a run in training has left at its present speed', async (t) => {
    const { runs, json } = await serverWithRuns(t);
    const at = (iteration: number, seconds: number) =>
      line(iteration).replace('"seconds":3', `"seconds":${seconds}`);
    const files = { 'metrics.jsonl': at(10, 50) + at(20, 60) + at(40, 100) };
    await writeRun(join(runs, 'live'), { ...files, '.lock': String(process.pid) });
    await writeRun(join(runs, 'stopped'), files);
    await writeModelOf(join(runs, 'stopped'), 7, 'last.safetensors');
    const found = Object.fromEntries(
      (await json('/v1/runs')).runs.map((run: { id: string }) => [run.id, run]),
    );
    // 60 iterations are left, at 2 seconds each.
    assert.equal(found.live.secondsLeft, 120);
    assert.equal(found.stopped.secondsLeft, undefined);
    assert.deepEqual([found.live.classes, found.stopped.classes], [undefined, 5]);
  });
});
