import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { TrainingLine } from '../../../src/cli/commands/training-line.ts';
import { fitFields, formatClock } from '../../../src/cli/progress-line.ts';

describe("training's progress line", () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    mock.method(performance, 'now', () => now);
  });
  afterEach(() => mock.restoreAll());

  /** 125 steps of a quarter of a second in each of 4 epochs. */
  function trained(steps: number): TrainingLine {
    const line = new TrainingLine({ iteration: 0, totalIterations: 500, trainingImages: 2000, batch: 16 });
    for (let iteration = 1; iteration <= steps; iteration++) {
      now += 250;
      line.step({ iteration, top1Error: 0.469 });
    }
    return line;
  }

  test('shows epoch, step, speed, time left and errors', () => {
    const line = trained(291);
    line.validated(0.505, true);
    const text = 'epoch 3/4 · step 41/125 · 64 img/s · 0:52 left · train 46.9 % · val 50.5 % (best)';
    assert.equal(fitFields(line.fields, 100), text);
  });

  test('leaves out the least important fields on narrow terminals', () => {
    const line = trained(291);
    line.validated(0.505, false);
    const fit = (columns: number) => fitFields(line.fields, columns);
    assert.equal(fit(70), 'epoch 3/4 · step 41/125 · 0:52 left · train 46.9 % · val 50.5 %');
    assert.equal(fit(50), 'epoch 3/4 · 0:52 left · train 46.9 % · val 50.5 %');
    assert.equal(fit(35), 'epoch 3/4 · 0:52 left · val 50.5 %');
    assert.equal(fit(25), 'epoch 3/4 · 0:52 left');
    assert.equal(fit(6), 'epoch…');
  });

  test('counts the epochs that were asked for, whose iterations are rounded', () => {
    const line = new TrainingLine({
      iteration: 0,
      totalIterations: 13,
      epochs: 2,
      trainingImages: 102,
      batch: 16,
    });
    line.step({ iteration: 13, top1Error: 0 });
    assert.match(fitFields(line.fields, 100), /^epoch 2\/2 · /);
  });

  test('the time left counts down during a step, and the start of the program does not count', () => {
    const line = new TrainingLine({ iteration: 0, totalIterations: 100, trainingImages: 1600, batch: 16 });
    const left = () => line.fields.find(({ text }) => text.endsWith(' left'))?.text;
    for (const [iteration, seconds] of [
      [1, 30],
      [2, 1],
      [3, 1],
    ] as const) {
      now += seconds * 1000;
      line.step({ iteration, top1Error: 0 });
    }
    assert.equal(left(), '1:37 left');
    now += 2000;
    assert.equal(left(), '1:35 left');
  });

  test('names the phase that training is in', () => {
    const line = trained(250);
    const phase = () => line.fields[1]!.text;
    assert.equal(phase(), 'step 125/125');
    line.enter('validating');
    line.validating(11, 11);
    assert.equal(phase(), 'validating 11 of 11');
    line.enter('saving');
    assert.equal(phase(), 'saving the checkpoint');
    line.enter('training');
    assert.equal(phase(), 'step 125/125');
  });

  test('a batch larger than the training set still has an epoch and a step', () => {
    const line = new TrainingLine({ iteration: 0, totalIterations: 9, trainingImages: 100, batch: 256 });
    line.step({ iteration: 4, top1Error: 0 });
    assert.match(fitFields(line.fields, 100), /^epoch 8\/24 · step 4\/9/);
  });
});

test('times left read like a clock', () => {
  const texts = [9.4, 101, 7510, 3 * 86_400 + 4 * 3600].map(formatClock);
  assert.deepEqual(texts, ['0:09', '1:41', '2:05:10', '3 d 4 h']);
});
