import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  beforeIteration,
  observeValidation,
  rateOf,
  type ScheduleOptions,
  startSchedule,
} from '../../../src/train/learning-rate-schedule.ts';
import type { ScheduleState } from '../../../src/train/trainer-state.ts';

const options: ScheduleOptions = { learningRate: 0.01, factor: 10, maximumDrops: 3, patience: 2 };

function after(errors: readonly number[], by: ScheduleOptions = options): ScheduleState {
  return errors.reduce((state, error) => observeValidation(state, error, by), startSchedule(by));
}

describe('the plateau rule', () => {
  it('keeps the rate while the error falls', () => {
    const improving = { learningRate: 0.01, drops: 0, bestError: 0.3, sinceBest: 0, finished: false };
    assert.deepEqual(after([0.5, 0.4, 0.3]), improving);
  });

  it('drops the rate after `patience` validations without a better error', () => {
    assert.equal(after([0.5, 0.5]).learningRate, 0.01);
    assert.equal(after([0.5, 0.5, 0.6]).learningRate, 0.001);
  });

  it('waits again after a drop', () => {
    const state = after([0.5, 0.5, 0.6, 0.5]);
    assert.equal(state.learningRate, 0.001);
    assert.equal(state.sinceBest, 1);
  });

  it('drops three times in all, and ends at the next plateau', () => {
    const plateaus = (n: number) => after([0.5, ...Array<number>(2 * n).fill(0.5)]);
    assert.equal(plateaus(3).learningRate, 0.01 / 1000);
    assert.equal(plateaus(3).finished, false);
    assert.equal(plateaus(4).finished, true);
    assert.equal(plateaus(4).drops, 3);
  });
});

describe('drops fixed in advance', () => {
  const fixed: ScheduleOptions = { ...options, dropAt: [10, 20] };

  it('come before their iteration', () => {
    const rates = [9, 10, 19, 20].map((i) => beforeIteration(startSchedule(fixed), i, fixed).learningRate);
    assert.deepEqual(rates, [0.01, 0.001, 0.001, 0.0001]);
  });

  it('are not disturbed by validations without improvement', () => {
    const state = after([0.5, 0.6, 0.6, 0.6, 0.6, 0.6], fixed);
    assert.equal(state.learningRate, 0.01);
    assert.equal(state.finished, false);
    assert.equal(beforeIteration(state, 12, fixed).learningRate, 0.001);
  });

  it('happen once', () => {
    const once = beforeIteration(startSchedule(fixed), 12, fixed);
    assert.deepEqual(beforeIteration(once, 13, fixed), once);
  });
});

describe('warm-up', () => {
  const warm: ScheduleOptions = { ...options, learningRate: 0.08, warmup: 4, warmupFrom: 1 / 8 };
  const rates = (by: ScheduleOptions, state = startSchedule(by)) =>
    [0, 1, 2, 3, 4, 100].map((iteration) => Number(rateOf(state, iteration, by).toFixed(9)));

  it('rises from its fraction of the rate to the rate, in equal steps', () => {
    assert.deepEqual(rates(warm), [0.0275, 0.045, 0.0625, 0.08, 0.08, 0.08]);
    assert.deepEqual(rates({ ...warm, warmupFrom: 0 }), [0.02, 0.04, 0.06, 0.08, 0.08, 0.08]);
  });

  it('is off by default', () => {
    assert.deepEqual(rates(options), Array(6).fill(0.01));
  });

  it('leaves the plateau rule and its state as they are', () => {
    const errors = [0.5, 0.5, 0.6, 0.5];
    assert.deepEqual(after(errors, warm), after(errors, { ...options, learningRate: 0.08 }));
    assert.deepEqual(rates(warm, after(errors, warm)), [0.00275, 0.0045, 0.00625, 0.008, 0.008, 0.008]);
  });
});
