import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatErrors,
  formatFlops,
  formatMillions,
  formatPercent,
} from '../../../src/report/format.ts';

test('counts have commas between thousands', () => {
  assert.deepEqual([0, 999, 1000, 138357544].map(formatCount), ['0', '999', '1,000', '138,357,544']);
  assert.equal(formatMillions(138357544), '138.36');
});

test('bytes go up to the unit that keeps them below 1024', () => {
  const texts = [0, 1023, 1024, 553430176, 1024 ** 3 - 1].map(formatBytes);
  assert.deepEqual(texts, ['0 B', '1023 B', '1.0 KiB', '527.8 MiB', '1.0 GiB']);
});

test('durations have two units at most, and never 60 of one', () => {
  const cases: [seconds: number, text: string][] = [
    [0.085, '85 ms'],
    [9.4, '9 s'],
    [59.6, '1 min'],
    [79, '1 min 19 s'],
    [119.8, '2 min'],
    [599.7, '10 min'],
    [3599, '1 h'],
    [7500, '2 h 5 min'],
    [86399, '1 d'],
    [86400 * 3 + 4 * 3600, '3 d 4 h'],
    [Number.POSITIVE_INFINITY, 'unknown'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});

test('operations have three digits and a magnitude', () => {
  const texts = [12, 30.94e9, 999.9e9, 8.78e18].map(formatFlops);
  assert.deepEqual(texts, ['12.0 FLOP', '30.9 GFLOP', '1.00 TFLOP', '8.78 EFLOP']);
});

test('errors of few images have an interval and the error of chance, and top-5 errors need six classes', () => {
  const errors = { top1Error: 4 / 11, top5Error: 0.08, meanClassError: 0.4 };
  const few = { images: 11, classes: 3, guessing: 2 / 3, unbalanced: true };
  // scipy.stats.binomtest(4, 11).proportion_ci(method='wilson'): 0.15166, 0.64620
  assert.equal(
    formatErrors(errors, few),
    'top-1 error 36.4 % (95 %: 15.2–64.6 %; chance 66.7 %), mean class error 40.0 %',
  );
  assert.equal(formatErrors(errors, { images: 50_000, classes: 6 }), 'top-1 error 36.4 %, top-5 error 8.0 %');
  assert.equal(formatErrors({ top1Error: 0 }, { images: 0, classes: 6 }), 'top-1 error 0.0 %');
});

test('fractions become per cent', () => {
  assert.equal(formatPercent(0.274), '27.4');
});
