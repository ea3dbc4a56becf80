import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { succeeded, words } from '../e2e/cli-process.ts';
import { Workplace } from '../e2e/training-runs.ts';
import { writeFiles } from '../support/images.ts';
import { vggRanks, withoutMpi } from './ranks.ts';

/** On the reference backend, where a few iterations end with the same errors for any order of sums (same-training.ts). */
const PLAN = `
title: Photographs
recipe: { width: 0.03, crop: 32, batch: 13, micro-batch: 8, iterations: 2, log-every: 1, backend: reference }
stages:
  - { scale: 32, nets: [A, B] }
`;

describe('vgg reproduce over ranks', { skip: withoutMpi }, () => {
  const work = new Workplace();

  it('gives the tables of one process, and does nothing again', async () => {
    await writeFiles(work.folder, { 'plan.yaml': PLAN });
    const args = (out: string) =>
      words`reproduce ${work.path('photos')} --plan ${work.path('plan.yaml')} --out ${work.path(out)}`;
    await succeeded(work.vgg`${args('alone')}`);
    const ranks = await succeeded(vggRanks(2, args('ranks'), work.environment));
    const tables = (out: string) => readFile(work.path(out, 'tables.md'), 'utf8');
    assert.equal(await tables('ranks'), await tables('alone'));
    assert.ok(ranks.stdout.includes(await tables('ranks')));
    const again = await succeeded(vggRanks(2, args('ranks'), work.environment));
    assert.doesNotMatch(again.stderr, /training 1 of 2/);
  });
});
