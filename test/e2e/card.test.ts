import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { QUICK, Workplace } from './training-runs.ts';

describe('vgg card', () => {
  const work = new Workplace();

  it('describes the model of a run, and nothing of this machine', async () => {
    const run = work.path('run');
    const trained = await work.vgg('train', work.path('photos'), '--out', run, ...QUICK, '--iterations', '4');
    assert.equal(trained.code, 0, trained.stderr);
    const { code, stdout, stderr } = await work.vgg('card', run, '--license', 'mit');
    assert.equal(code, 0, stderr);
    const card = parse(/^---\n(.*?)\n---\n/s.exec(stdout)![1]!);
    const result = JSON.parse(await readFile(work.path('run', 'result.json'), 'utf8'));
    assert.equal(card.license, 'mit');
    assert.equal(
      card['model-index'][0].results[0].metrics[0].value,
      Number((1 - result.best.top1Error).toFixed(6)),
    );
    const model = await readFile(work.path('run', 'best.safetensors'));
    assert.ok(stdout.includes(createHash('sha256').update(model).digest('hex')));
    assert.match(stdout, /cat, dog, owl/);
    assert.ok(!stdout.includes(work.folder));

    const out = work.path('README.md');
    assert.equal((await work.vgg('card', run, '--license', 'mit', '--out', out)).code, 0);
    assert.equal(await readFile(out, 'utf8'), stdout);
  });

  it('says so where there is no run', async () => {
    const { code, stderr } = await work.vgg('card', work.path('nothing'));
    assert.equal(code, 1);
    assert.match(stderr, /nothing is not a run folder \(no recipe\.yaml\); check the path/);
  });
});
