import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { guessingWarning } from '../../../src/core/guessing.ts';
import type { ImageSource } from '../../../src/data/sources/image-source.ts';
import type { Metrics } from '../../../src/train/metrics.ts';
import type { PartialRecipe } from '../../../src/train/recipe.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { LearningWatch, setWarnings } from '../../../src/train/training-warnings.ts';
import { range } from '../../support/lists.ts';

/** Only its classes. */
function sourceOf(...counts: readonly number[]): ImageSource {
  const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label));
  const classes = counts.map((_, label) => `c${label}`);
  return {
    classes,
    labels: classes,
    length: labels.length,
    label: (index: number) => labels[index]!,
  } as unknown as ImageSource;
}

describe('warnings before training', () => {
  const small: PartialRecipe = { crop: 64, scale: 64, batch: 16, 'lr-drop-at': '5e' };
  const cases: readonly [string, PartialRecipe, [number[], number[]], number, RegExp | undefined][] = [
    [
      'nothing suspicious',
      small,
      [
        [100, 100],
        [25, 25],
      ],
      64,
      undefined,
    ],
    [
      'a batch larger than the set',
      { ...small, batch: 256 },
      [
        [50, 49],
        [25, 25],
      ],
      64,
      /batch of 256 .* of 99 images, .* such as 16/,
    ],
    [
      'a batch that is larger than a tiny set',
      { ...small, batch: 12 },
      [
        [4, 4],
        [25, 25],
      ],
      64,
      /such as 4$/,
    ],
    [
      'few validation images',
      small,
      [
        [50, 49],
        [6, 5],
      ],
      64,
      /only 11 validation images: each is 9\.1 points of error, so the choice of best\.safetensors is/,
    ],
    [
      'a plateau rule on few',
      { crop: 64, scale: 64, batch: 16 },
      [
        [50, 49],
        [6, 5],
      ],
      64,
      /choice of best\.safetensors and of the drops of the learning rate .* set --lr-drop-at/,
    ],
    [
      'rare classes',
      small,
      [
        [500, 50],
        [25, 25],
      ],
      64,
      /class "c0" has 500 training images and class "c1" only 50/,
    ],
    [
      'small images',
      small,
      [
        [100, 100],
        [25, 25],
      ],
      48,
      /smaller than the crop \(48 pixels\) .* --crop 32/,
    ],
    [
      'small images at the smallest crop',
      { ...small, crop: 32 },
      [
        [100, 100],
        [25, 25],
      ],
      28,
      undefined,
    ],
  ];
  for (const [what, keys, [training, validation], side, expected] of cases) {
    it(what, () => {
      const sources = { training: sourceOf(...training), validation: sourceOf(...validation) };
      const warnings = setWarnings({ ...sources, side }, resolveRecipe(keys));
      assert.equal(warnings.length, expected ? 1 : 0, warnings.join('\n'));
      if (expected) assert.match(warnings[0]!, expected);
    });
  }
});

describe('a training that does not learn', () => {
  const line = (iteration: number, epoch: number, loss: number) =>
    ({ kind: 'train', iteration, epoch, loss }) as Metrics;

  it('is reported once, after an epoch and a third of the steps', () => {
    const watch = new LearningWatch(resolveRecipe({ lr: 0.02 }), sourceOf(50, 50), 300);
    assert.equal(watch.observe(line(90, 3, Math.log(2))), undefined);
    assert.equal(watch.observe(line(200, 0.9, Math.log(2))), undefined);
    assert.equal(watch.observe(line(100, 3, 0.5)), undefined);
    for (const i of range(4)) assert.equal(watch.observe(line(101 + i, 3.1, Math.log(2))), undefined);
    assert.match(
      watch.observe(line(110, 3.3, Math.log(2)))!,
      /after 3\.3 epochs the loss is 0\.693.*--lr to 0\.01/,
    );
    assert.equal(watch.observe(line(120, 3.6, Math.log(2))), undefined);
  });

  it('is judged by the frequencies of the classes', () => {
    const watch = new LearningWatch(resolveRecipe({}), sourceOf(90, 10), 30);
    for (const i of range(4)) assert.equal(watch.observe(line(21 + i, 3, 0.325)), undefined);
    // Always naming the commonest class has this loss, far below ln 2.
    assert.match(watch.observe(line(25, 3, 0.325))!, /that of guessing \(0\.325\)/);
  });
});

describe('an error no lower than that of guessing', () => {
  it('is reported, unless all images have one class', () => {
    assert.match(
      guessingWarning(0.4, [6, 4])!,
      /error of 40\.0 % is no lower than .* commonest class, 40\.0 %/,
    );
    assert.equal(guessingWarning(0.39, [6, 4]), undefined);
    assert.equal(guessingWarning(0, [6, 0]), undefined);
  });
});
