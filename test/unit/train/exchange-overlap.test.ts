import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatOverlap } from '../../../src/report/benchmark-tables.ts';
import { overlapByLayer } from '../../../src/train/exchange-overlap.ts';
import { pluck } from '../../support/lists.ts';

/** Ten values of conv, then twenty of fc. */
const specs = [
  { name: 'conv.weight', shape: [8] },
  { name: 'conv.bias', shape: [2] },
  { name: 'fc.weight', shape: [15] },
  { name: 'fc.bias', shape: [5] },
] as unknown as Parameters<typeof overlapByLayer>[0];

describe('the overlap by layer', () => {
  it('takes each layer from its first bucket on its way to its last one summed', () => {
    const buckets = [
      { begin: 18, end: 30, sentAt: -3, arrivedAt: -1 },
      { begin: 6, end: 18, sentAt: -2, arrivedAt: 1 },
      { begin: 0, end: 6, sentAt: 0, arrivedAt: 2 },
    ];
    assert.deepEqual(overlapByLayer(specs, buckets), [
      { layer: 'conv', bytes: 40, sentAt: -2, arrivedAt: 2, hidden: 0.5 },
      { layer: 'fc', bytes: 80, sentAt: -3, arrivedAt: 1, hidden: 0.75 },
    ]);
    const rows = formatOverlap(overlapByLayer(specs, buckets));
    assert.match(rows, /│ fc +│ +0\.00 │ +-3000\.0 │ +1000\.0 │ +75 │/);
  });

  it('is complete if everything arrives before the pass ends, and zero if everything leaves after it', () => {
    const early = { begin: 10, end: 30, sentAt: -3, arrivedAt: -1 };
    const late = { begin: 0, end: 10, sentAt: 0, arrivedAt: 1 };
    assert.deepEqual(pluck(overlapByLayer(specs, [early, late]), 'hidden'), [0, 1]);
  });
});
