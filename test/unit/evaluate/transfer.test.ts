import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { drawSplit } from '../../../src/evaluate/transfer/fit.ts';
import { networkWithHead } from '../../../src/evaluate/transfer/linear-head.ts';
import { trainLinear } from '../../../src/evaluate/transfer/linear-svm.ts';
import { averagePrecision, bootstrapped, meanClassRecall } from '../../../src/evaluate/transfer/measures.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { userError } from '../../support/refused.ts';
import { assertClose } from '../../support/tensors.ts';

interface Fixture {
  readonly vectors: number[][];
  readonly labels: number[];
  readonly machines: { constant: number; weights: number[][]; biases: number[] }[];
  readonly precisions: { truth: number[]; scores: number[]; allPoint: number; elevenPoint: number }[];
}
const fixture: Fixture = JSON.parse(readFileSync('test/fixtures/transfer/scikit-learn.json', 'utf8'));

describe('a linear SVM', () => {
  const vectors = fixture.vectors.map((vector) => Float32Array.from(vector));
  const targets = Int8Array.from(
    fixture.labels.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 1 : -1))),
  );
  const problem = { vectors, targets, classes: 3 };

  for (const { constant, weights, biases } of fixture.machines) {
    it(`has the coefficients of scikit-learn's LinearSVC with C = ${constant}`, () => {
      const own = trainLinear(problem, { constant, tolerance: 1e-9, passes: 100_000 });
      // Both stop near the minimum of a strongly convex function.
      assertClose('biases', own.biases, biases, 1e-4);
      for (const [k, row] of weights.entries()) assertClose(`weights of ${k}`, own.weights[k]!, row, 1e-4);
    });
  }

  it('does not see images whose target is 0', () => {
    const ignored = targets.slice();
    ignored.fill(0, 0, 9);
    const without = { vectors: vectors.slice(3), targets: targets.slice(9), classes: 3 };
    const exact = { tolerance: 1e-9, passes: 100_000 };
    const [one, other] = [trainLinear({ ...problem, targets: ignored }, exact), trainLinear(without, exact)];
    assertClose('biases', one.biases, other.biases, 1e-6);
  });

  for (const constant of [0.1, 1, 100]) {
    it(`by logistic regression is at the minimum of its objective with C = ${constant}`, () => {
      const own = trainLinear(problem, { kind: 'logistic', constant, tolerance: 1e-9, passes: 100_000 });
      for (const [k, weight] of own.weights.entries()) {
        // ∂/∂w of ½ (|w|² + b²) + C Σ ln(1 + exp(−y (w · x + b))), and ∂/∂b at the end.
        const gradient = [...weight, own.biases[k]!];
        for (const [n, x] of vectors.entries()) {
          const y = targets[n * 3 + k]!;
          const score = x.reduce((sum, value, d) => sum + value * weight[d]!, own.biases[k]!);
          const slope = (-constant * y) / (1 + Math.exp(y * score));
          for (const [d, value] of [...x, 1].entries()) gradient[d]! += slope * value;
        }
        const largest = Math.max(...gradient.map(Math.abs));
        // Of single vectors' losses, up to C.
        assert.ok(largest < 1e-6 * Math.max(1, constant), `class ${k}: the gradient is up to ${largest}`);
      }
    });
  }

  it('refuses vectors of different lengths', () => {
    assert.throws(
      () => trainLinear({ ...problem, vectors: [...vectors.slice(1), new Float32Array(3)] }),
      RangeError,
    );
  });
});

describe('measures of a transfer', () => {
  it('average precision is that of scikit-learn', () => {
    for (const { truth, scores, allPoint, elevenPoint } of fixture.precisions) {
      const images = scores.map((score, i) => ({ score, isPositive: truth[i] === 1 }));
      assert.ok(Math.abs(averagePrecision(images, 'all-point') - allPoint) < 1e-12);
      assert.ok(Math.abs(averagePrecision(images, 'eleven-point') - elevenPoint) < 1e-12);
    }
    assert.ok(Number.isNaN(averagePrecision([{ score: 1, isPositive: false }], 'all-point')));
  });

  it('mean class recall gives all classes the same weight', () => {
    const right = { predicted: 0, label: 0 };
    assert.equal(meanClassRecall([right, right, right, { predicted: 0, label: 1 }]), 0.5);
  });

  it('an interval holds the figure', () => {
    const images = Array.from({ length: 200 }, (_, n) => n);
    const share = (chosen: readonly number[]) => chosen.filter((n) => n % 4 === 0).length / chosen.length;
    const { value, interval } = bootstrapped([images], share);
    assert.equal(value, 0.25);
    // 1.96 √(0.25 · 0.75 / 200) = 0.06
    assert.ok(Math.abs(interval[0] - 0.19) < 0.015 && Math.abs(interval[1] - 0.31) < 0.015, interval.join());
  });
});

describe('random splits', () => {
  const labels = Int8Array.from({ length: 60 }, (_, n) => n % 3);

  it('draw images of each class, none of them twice', () => {
    const split = drawSplit(Int32Array.from(labels), 8, 5, 1);
    assert.ok(typeof split !== 'number');
    assert.deepEqual([split.training.length, split.test.length], [24, 15]);
    assert.equal(new Set([...split.training, ...split.test]).size, 39);
    assert.notDeepEqual(split, drawSplit(Int32Array.from(labels), 8, 5, 2));
  });

  it('name a class with too few images', () => {
    assert.equal(drawSplit(Int32Array.of(0, 0, 1), 1, undefined, 1), 1);
  });
});

describe('the network of a linear classifier', () => {
  const network = buildNetwork({ configuration: 'A', classes: 7, crop: 64, width: 0.1 });
  const names = (layer: string) =>
    networkWithHead(network, layer, 3)
      .layers.slice(-3)
      .map(({ name }) => name);

  it('ends after the layer', () => {
    assert.deepEqual(names('fc7'), ['relu7', 'drop7', 'fc8']);
    assert.deepEqual(names('fc6'), ['relu6', 'drop6', 'fc7']);
    assert.deepEqual(names('pool5'), ['pool5', 'pool6', 'fc6']);
  });

  it('is refused where a file could not hold it', () => {
    assert.throws(
      () => names('conv4_2'),
      userError(/right after conv4_2; choose a layer of fc6, fc7, pool5/),
    );
  });
});
