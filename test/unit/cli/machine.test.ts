import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { allowsVersion, canWriteUnder, instructionsIn, memory } from '../../../src/cli/machine.ts';

test('vector instructions are read from Linux’s list', () => {
  assert.deepEqual(instructionsIn('processor\t: 0\nflags\t\t: fpu avx2 avx512f fma\nflags\t\t: x'), [
    'AVX2',
    'FMA',
    'AVX-512',
  ]);
  assert.deepEqual(instructionsIn('Features\t: fp asimd bf16'), ['NEON', 'BF16']);
  assert.equal(instructionsIn('nothing of that kind'), undefined);
});

test('versions are compared with the ranges that package.json uses', () => {
  const range = '^20.19.0 || ^22.12.0 || >=24.0.0';
  const allowed = (version: string) => allowsVersion(range, version);
  assert.deepEqual(['20.19.0', '20.20.2', '22.12.1', '24.0.0', '25.1.0'].map(allowed), Array(5).fill(true));
  assert.deepEqual(['18.20.0', '20.18.9', '21.7.3', '22.11.9', '23.11.0'].map(allowed), Array(5).fill(false));
});

test('a missing folder is writable if its parent is', () => {
  assert.ok(canWriteUnder(join(tmpdir(), 'not', 'there', 'yet')));
});

test('reports the memory of this machine', () => {
  const { total, free } = memory();
  assert.ok(total > 0 && free > 0 && free <= total);
});
