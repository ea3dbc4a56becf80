import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { confusionMatrix, errorRates, measureByClass } from '../../../../src/evaluate/results/error-rates.ts';
import { ImageResults, imageResultOf } from '../../../../src/evaluate/results/image-results.ts';
import { pluck } from '../../../support/lists.ts';

/** Posteriors that rank the classes in the given order. */
function ranking(...order: number[]): Float32Array {
  const posteriors = new Float32Array(order.length);
  order.forEach((index, place) => {
    posteriors[index] = (order.length - place) / ((order.length * (order.length + 1)) / 2);
  });
  return posteriors;
}

function resultsOf(classes: number, images: readonly (readonly [label: number, posteriors: Float32Array])[]) {
  const results = new ImageResults(images.length, classes);
  // From the last to the first: figures do not depend on the order.
  for (const [image, [label, posteriors]] of [...images.entries()].reverse()) {
    results.set(imageResultOf(image, label, posteriors));
  }
  return results;
}

describe('error rates', () => {
  it('count the top-1 and top-5 misses', () => {
    const labels = [0, 4, 5, 6];
    const results = resultsOf(
      7,
      labels.map((label) => [label, ranking(0, 1, 2, 3, 4, 5, 6)]),
    );
    const { images, top1Error, top5Error, loss } = errorRates(results);
    assert.deepEqual({ images, top1Error, top5Error }, { images: 4, top1Error: 3 / 4, top5Error: 2 / 4 });
    const expected = -[7, 3, 2, 1].reduce((sum, share) => sum + Math.log(share / 28), 0) / 4;
    // Posteriors are float32.
    assert.ok(Math.abs(loss - expected) < 1e-6);
  });

  it('with fewer than five classes have no top-5 error, and list all classes', () => {
    const results = resultsOf(3, [
      [2, ranking(0, 1, 2)],
      [0, ranking(0, 1, 2)],
    ]);
    const { top1Error, top5Error } = errorRates(results);
    assert.deepEqual([top1Error, top5Error], [0.5, 0]);
    assert.deepEqual(pluck(results.get(0).top, 'index'), [0, 1, 2]);
  });

  it('leave out images without a label', () => {
    const results = resultsOf(3, [
      [-1, ranking(0, 1, 2)],
      [0, ranking(0, 1, 2)],
    ]);
    assert.equal(errorRates(results).images, 1);
    assert.equal(errorRates(results).top1Error, 0);
    assert.ok(Number.isNaN(errorRates(resultsOf(3, [[-1, ranking(0, 1, 2)]])).top1Error));
  });

  it('never count NaN as a hit', () => {
    const results = resultsOf(3, [[0, Float32Array.of(Number.NaN, 0.5, 0.5)]]);
    assert.equal(errorRates(results).top1Error, 1);
  });

  it('by class, and confusions', () => {
    const results = resultsOf(3, [
      [0, ranking(0, 1, 2)],
      [0, ranking(2, 1, 0)],
      [0, ranking(2, 0, 1)],
      [1, ranking(1, 0, 2)],
      [-1, ranking(1, 0, 2)],
    ]);
    assert.deepEqual(measureByClass(results, 3), [
      { images: 3, top1Errors: 2, top5Errors: 0 },
      { images: 1, top1Errors: 0, top5Errors: 0 },
      { images: 0, top1Errors: 0, top5Errors: 0 },
    ]);
    assert.deepEqual([...confusionMatrix(results, 3)], [1, 0, 2, 0, 1, 0, 0, 0, 0]);
    const { top1Error, meanClassError } = errorRates(results);
    assert.deepEqual([top1Error, meanClassError], [2 / 4, (2 / 3 + 0) / 2]);
  });
});

describe('image results', () => {
  it('are stored as they are', () => {
    const results = new ImageResults(3, 7);
    const result = imageResultOf(1, 4, ranking(3, 4, 0, 1, 2, 6, 5));
    results.set(result);
    assert.deepEqual(results.get(1), result);
    assert.equal(result.rank, 1);
    assert.deepEqual([...results], [result]);
    const done = [0, 1, 2].filter((image) => results.has(image));
    assert.deepEqual(done, [1]);
    results.set(result);
    assert.equal(results.done, 1);
  });

  it('with a posterior of 0 have a finite loss', () => {
    assert.ok(Number.isFinite(imageResultOf(0, 1, Float32Array.of(1, 0)).loss));
    assert.equal(Object.is(imageResultOf(0, 0, Float32Array.of(1, 0)).loss, 0), true);
  });
});
