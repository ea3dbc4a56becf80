import assert from 'node:assert/strict';
import { readFile, rm, stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { writeFiles } from '../support/images.ts';
import { failed, jsonOf, succeeded, words } from './cli-process.ts';
import { killAtRandom } from './killing.ts';
import { Workplace } from './training-runs.ts';

const PLAN = `
title: Photographs
recipe: { width: 0.05, crop: 32, batch: 12, micro-batch: 8, iterations: 4, log-every: 1 }
stages:
  - { scale: 32, nets: [A, D, E] }
  - { scale: 32..40, nets: [D, E], recipe: { lr: 0.001 } }
`;

describe('vgg reproduce', () => {
  const work = new Workplace();
  const photos = work.path('photos');
  const reproduce = (out: string, plan = 'plan.yaml') =>
    words`reproduce ${photos} --plan ${work.path(plan)} --out ${work.path(out)}`;

  it('trains in order, evaluates, and writes the tables and the claims', async () => {
    await writeFiles(work.folder, { 'plan.yaml': PLAN });
    const { stdout, stderr } = await succeeded(work.vgg(...reproduce('whole')));
    assert.match(stderr, /training 5 of 5: e-32-40/);
    assert.match(stderr, /layers from .*a-32.*last\.safetensors/);
    const tables = await readFile(work.path('whole', 'tables.md'), 'utf8');
    assert.ok(stdout.includes(tables));
    // The photographs have three classes, so they have no top-5 error.
    assert.match(tables, /^Top-1 errors in per cent on 12 validation images/m);
    const single = /\| D \| \[32; 40\] \| 36 \| \[\d+\.\d\]\(runs\/d-32-40\) \| 26\.8 \/ 8\.7 \|/;
    assert.match(tables, single);
    const fused = /\| d-32-40, e-32-40 \| multi-crop & dense \| \d+\.\d \| 23\.7 \/ 6\.8 \|/;
    assert.match(tables, fused);
    const page = await readFile(work.path('whole', 'report.html'), 'utf8');
    assert.match(page, /<a href="#d-32-40">\d+\.\d<\/a><\/td><td>26\.8 \/ 8\.7<\/td>/);
    assert.match(page, /<section id="d-32-40">/);
    assert.match(page, /<svg/);
    // Plot adds this sign to a chart with a warning.
    assert.doesNotMatch(page, /\u26a0/);
    assert.doesNotMatch(page, /<script|https?:\/\/(?!www\.w3\.org)/);
    const claims = JSON.parse(await readFile(work.path('whole', 'claims.json'), 'utf8'));
    assert.ok(claims.some(({ verdict }: { verdict: string }) => verdict === 'not measured'));
    assert.ok(claims.some(({ claim }: { claim: string }) => claim.includes('several test scales')));
  });

  it('averages nets, scales and protocols as `vgg evaluate` does', async () => {
    const [d, e] = ['d-32-40', 'e-32-40'].map((run) => work.path('whole', 'runs', run, 'last.safetensors'));
    for (const [id, flags] of [
      ['d-32-40+e-32-40.both.auto', words`--model ${d!} --model ${e!} --protocol both --scales auto`],
      ['d-32-40.dense.single', words`--model ${d!} --protocol dense`],
      ['e-32-40.crops.auto', words`--model ${e!} --protocol crops --scales auto`],
    ] as const) {
      const file = work.path('whole', 'evaluations', `${id}.json`);
      const kept = JSON.parse(await readFile(file, 'utf8'));
      const found = await jsonOf(work.vgg`evaluate ${photos} ${flags} --json`);
      assert.deepEqual([kept.images, kept.top1Error, kept.scales], [12, found.top1Error, found.scales], id);
      assert.ok(Math.abs(kept.loss - found.loss) < 1e-6, `${id}: ${kept.loss} and ${found.loss}`);
    }
  });

  it('repeats nothing that is done', async () => {
    const file = work.path('whole', 'runs', 'a-32', 'last.safetensors');
    const before = await stat(file);
    const { stderr } = await succeeded(work.vgg(...reproduce('whole')));
    assert.doesNotMatch(stderr, /training \d of/);
    assert.equal((await stat(file)).mtimeMs, before.mtimeMs);
  });

  it('continues after being killed, and writes the same tables', async (t) => {
    const kills = await killAtRandom(
      {
        start: () => work.start(...reproduce('killed')),
        atWork: (child) =>
          new Promise((resolve) => {
            child.stderr!.on('data', (text) => {
              if (/training \d of 5/.test(String(text))) resolve();
            });
          }),
        forget: () => rm(work.path('killed'), { recursive: true }),
      },
      4,
      2500,
    );
    t.diagnostic(`killed ${kills} times`);
    const tables = (out: string) => readFile(work.path(out, 'tables.md'), 'utf8');
    assert.equal(await tables('killed'), await tables('whole'));
  });

  it('estimates the time of every step', async () => {
    const { steps, needs, has } = await jsonOf(work.vgg`${reproduce('dry')} --dry-run --json`);
    assert.equal(steps.filter(({ kind }: { kind: string }) => kind === 'training').length, 5);
    for (const { seconds, low, high } of steps) assert.ok(low > 0 && low <= seconds && seconds <= high);
    assert.ok(needs.diskBytes > 0 && has.diskBytes > needs.diskBytes && needs.memoryBytes > 0);
    await assert.rejects(stat(work.path('dry')), { code: 'ENOENT' });
  });

  it('repeats the trainings for each seed, and compares one with a training of twice the epochs', async () => {
    const seeded = (seeds: string) =>
      `title: Seeds\nseeds: ${seeds}\ntwice-the-epochs: [a-32]\nrecipe: { width: 0.05, crop: 32, batch: 12, iterations: 2, log-every: 1 }\nstages: [{ scale: 32, nets: [A, B] }]\n`;
    await writeFiles(work.folder, { 'seeds.yaml': seeded('1'), 'more.yaml': seeded('[1, 2]') });
    await succeeded(work.vgg(...reproduce('seeds', 'seeds.yaml')));
    const { stdout, stderr } = await succeeded(work.vgg(...reproduce('seeds', 'more.yaml')));
    assert.match(stderr, /training 4 of 5: a-32 /, 'seeds may be added');
    assert.doesNotMatch(stderr, /training [1-3] of/);
    const mean = /\| A \| 32 \| 32 \| \[\d+\.\d ± \d+\.\d\]\(seed-1\/runs\/a-32\)/;
    assert.match(stdout, mean);
    assert.match(stdout, /## Twice the epochs/);
    assert.match(stdout, /what was chosen by them makes the errors too low/);
    assert.match(stderr, /warning: the val images validate the trainings and also give the reported errors/);
    const claims = JSON.parse(await readFile(work.path('seeds', 'claims.json'), 'utf8'));
    const measured = claims.find(({ result }: { result: unknown }) => result !== null);
    assert.equal(measured.result.seeds, 2);
    const metrics = await readFile(
      work.path('seeds', 'seed-1', 'runs', 'a-32-twice', 'metrics.jsonl'),
      'utf8',
    );
    assert.match(metrics, /"iteration":4,/);
  });

  it('refuses another plan in the same folder', async () => {
    await writeFiles(work.folder, { 'other.yaml': PLAN.replace('iterations: 4', 'iterations: 5') });
    const other = /whole was started with another plan than .*other\.yaml; choose another --out/;
    await failed(work.vgg(...reproduce('whole', 'other.yaml')), 1, other);
  });
});
