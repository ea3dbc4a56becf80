import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Rgb } from '../../../../src/core/shape.ts';
import type { StoredImage } from '../../../../src/data/sources/image-source.ts';
import { selectImages } from '../../../../src/data/sources/select-images.ts';
import { ColorSums } from '../../../../src/data/training/color-sums.ts';
import { goodImages, surveyImages } from '../../../../src/data/training/color-survey.ts';
import { type Matrix3, symmetricEigen } from '../../../../src/data/training/symmetric-eigen.ts';
import { jpeg, pattern, sourceOf, temporaryFolder } from '../../../support/images.ts';
import { pluck } from '../../../support/lists.ts';
import { userError } from '../../../support/refused.ts';

const pixels = (index: number): StoredImage => ({ kind: 'pixels', image: pattern(5 + index, 7, index) });
const text: StoredImage = { kind: 'encoded', bytes: Buffer.from('text') };

/** The reference: mean and covariance by their definitions, from all values. */
function byDefinition(count: number): { mean: number[]; covariance: number[][] } {
  const values: number[][] = [];
  for (let index = 0; index < count; index++) {
    const { pixels } = pattern(5 + index, 7, index);
    for (let i = 0; i < pixels.length; i += 3) values.push([...pixels.subarray(i, i + 3)]);
  }
  const average = (of: (value: number[]) => number) =>
    values.reduce((sum, value) => sum + of(value), 0) / values.length;
  const mean = [0, 1, 2].map((channel) => average((value) => value[channel]!));
  const covariance = [0, 1, 2].map((a) =>
    [0, 1, 2].map((b) => average((value) => (value[a]! - mean[a]!) * (value[b]! - mean[b]!))),
  );
  return { mean, covariance };
}

function close(actual: number, expected: number): void {
  const bound = 1e-9 * Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= bound, `${actual} for ${expected}`);
}

describe('surveyImages', () => {
  it('finds the mean and the principal axes of all pixels', async (t) => {
    const survey = await surveyImages(sourceOf(6, pixels), { cacheFolder: await temporaryFolder(t) });
    const { mean, covariance } = byDefinition(6);
    for (const [i, value] of survey.mean.entries()) close(value, mean[i]!);
    // Σ λ² p pᵀ is the covariance again.
    for (let a = 0; a < 3; a++) {
      for (let b = 0; b < 3; b++) {
        const sum = survey.axes.directions.reduce(
          (total, direction, i) => total + survey.axes.deviations[i]! ** 2 * direction[a]! * direction[b]!,
          0,
        );
        close(sum, covariance[a]![b]!);
      }
    }
    assert.deepEqual(survey.bad, []);
  });

  it('does not depend on the order of completion', async (t) => {
    const shuffled = sourceOf(6, async (index) => {
      await sleep((index * 5) % 7);
      return pixels(index);
    });
    const folders = [await temporaryFolder(t), await temporaryFolder(t)];
    const one = await surveyImages(sourceOf(6, pixels), { cacheFolder: folders[0], concurrency: 1 });
    const other = await surveyImages(shuffled, { cacheFolder: folders[1], concurrency: 6 });
    assert.deepEqual(other, one);
  });

  it('is cached, and reports its progress', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    let reads = 0;
    const counted = sourceOf(4, (index) => {
      reads++;
      return pixels(index);
    });
    const progress: unknown[] = [];
    const first = await surveyImages(counted, { cacheFolder, onProgress: (p) => progress.push(p) });
    assert.equal(first.cached, false);
    assert.deepEqual(progress.at(-1), { done: 4, total: 4, bad: 0 });
    const second = await surveyImages(counted, { cacheFolder });
    assert.deepEqual(second, { ...first, cached: true });
    assert.equal(reads, 4);
  });

  it('is made again when the cached survey is damaged', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    const first = await surveyImages(sourceOf(3, pixels), { cacheFolder });
    const [file] = await readdir(join(cacheFolder, 'surveys'));
    await writeFile(join(cacheFolder, 'surveys', file!), '{"version":1,"sums":[');
    assert.deepEqual(await surveyImages(sourceOf(3, pixels), { cacheFolder }), first);
  });

  it('continues without a cache folder, with a warning', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'file'), '');
    const warnings: string[] = [];
    const survey = await surveyImages(sourceOf(3, pixels), {
      cacheFolder: join(folder, 'file'),
      onWarning: (warning) => warnings.push(warning),
    });
    assert.equal(survey.bad.length, 0);
    assert.match(warnings.join(), /is not saved for the next run/);
  });

  it('collects the images that cannot be used, and tries them again next time', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    const source = (bad: readonly number[]) =>
      sourceOf(5, (index) => (bad.includes(index) ? text : pixels(index)));
    const survey = await surveyImages(source([1, 3]), { cacheFolder });
    assert.deepEqual(pluck(survey.bad, 'index'), [1, 3]);
    assert.match(survey.bad[0]!.message, /^image-1 is not a JPEG/);
    const fixed = await surveyImages(source([3]), { cacheFolder });
    assert.deepEqual([fixed.cached, pluck(fixed.bad, 'index')], [true, [3]]);
    const whole = await surveyImages(source([]), { cacheFolder });
    const fresh = await surveyImages(source([]), { cacheFolder: await temporaryFolder(t) });
    assert.deepEqual(whole, { ...fresh, cached: true });
  });

  it('counts an image above the pixel limit as bad only under that limit', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    const bytes = await jpeg(20, 20);
    const source = sourceOf(2, () => ({ kind: 'encoded', bytes }));
    assert.equal((await surveyImages(source, { cacheFolder, maxPixels: 100 })).bad.length, 2);
    assert.equal((await surveyImages(source, { cacheFolder })).bad.length, 0);
  });

  it('stops when its signal aborts', async (t) => {
    const stop = new AbortController();
    const survey = surveyImages(sourceOf(100, pixels), {
      cacheFolder: await temporaryFolder(t),
      signal: stop.signal,
      onProgress: ({ done }) => done === 10 && stop.abort(new Error('enough')),
    });
    await assert.rejects(survey, /enough/);
  });

  it('continues an interrupted survey, retries its bad images and ends with the same bits', async (t) => {
    const cacheFolder = await temporaryFolder(t);
    const reads: number[] = [];
    const source = (bad: readonly number[]) =>
      sourceOf(1600, (index) => {
        reads.push(index);
        return bad.includes(index) ? text : pixels(index % 40);
      });
    const stop = new AbortController();
    const warnings: string[] = [];
    const interrupted = surveyImages(source([5, 900]), {
      cacheFolder,
      signal: stop.signal,
      onProgress: ({ done }) => done === 1200 && stop.abort(new Error('enough')),
      onWarning: (warning) => warnings.push(warning),
    });
    await assert.rejects(interrupted, /enough/);
    assert.deepEqual(warnings, [
      'the check of the images stopped after 1024 of 1600; the next run continues there',
    ]);
    reads.length = 0;
    const progress: unknown[] = [];
    const continued = await surveyImages(source([900]), { cacheFolder, onProgress: (p) => progress.push(p) });
    assert.deepEqual(new Set(reads), new Set([5, 900, ...Array.from({ length: 576 }, (_, i) => 1024 + i)]));
    assert.deepEqual(progress.at(-1), { done: 1600, total: 1600, bad: 1 });
    const whole = await surveyImages(source([900]), { cacheFolder: await temporaryFolder(t) });
    assert.deepEqual(continued, whole);
    assert.equal((await readdir(join(cacheFolder, 'surveys'))).length, 1);
  });
});

describe('goodImages', () => {
  const source = sourceOf(9, (index) => (index % 8 ? text : pixels(index)));

  it('reports the number of bad images and the first few, unless they are skipped', async (t) => {
    const survey = await surveyImages(source, { cacheFolder: await temporaryFolder(t) });
    const first = /^7 of the 9 images of made up .*--skip-bad:\n {2}image-1 is not/;
    assert.throws(() => goodImages(source, survey), userError(first, /and 2 more$/));
    const good = goodImages(source, survey, { skipBad: true })!;
    assert.deepEqual([...good], [0, 8]);
    const selected = selectImages(source, good);
    assert.deepEqual([selected.length, selected.imageName(1), selected.label(1)], [2, 'image-8', 0]);
    const others = selectImages(source, Uint32Array.of(0, 7));
    assert.notEqual(await selected.fingerprint(), await others.fingerprint());
    assert.throws(() => selected.imageName(2), RangeError);
  });

  it('reports that no image is left', async (t) => {
    const none = sourceOf(2, () => text);
    const survey = await surveyImages(none, { cacheFolder: await temporaryFolder(t) });
    assert.throws(() => goodImages(none, survey, { skipBad: true }), /none of the 2 images of made up/);
  });

  it('returns undefined when all images are good', async (t) => {
    const all = sourceOf(2, pixels);
    const survey = await surveyImages(all, { cacheFolder: await temporaryFolder(t) });
    assert.equal(goodImages(all, survey), undefined);
  });
});

describe('symmetricEigen', () => {
  it('gives unit vectors, largest value first, with A v = λ v', () => {
    const entry = fc.double({ min: -1e4, max: 1e4, noNaN: true });
    fc.assert(
      fc.property(entry, entry, entry, entry, entry, entry, (a, b, c, d, e, f) => {
        const matrix: Matrix3 = [
          [a, b, c],
          [b, d, e],
          [c, e, f],
        ];
        const { values, vectors } = symmetricEigen(matrix);
        assert.ok(values[0] >= values[1] && values[1] >= values[2]);
        const dot = (u: Rgb, v: Rgb): number => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
        for (const [i, vector] of vectors.entries()) {
          for (const [j, other] of vectors.entries()) {
            assert.ok(Math.abs(dot(vector, other) - Number(i === j)) < 1e-12);
          }
          for (const [k, row] of matrix.entries()) {
            assert.ok(Math.abs(dot(row, vector) - values[i]! * vector[k]!) < 1e-9 * 1e4);
          }
        }
      }),
    );
  });
});

describe('ColorSums', () => {
  it('is exact beyond the precision of floating point', () => {
    const squares = Array<bigint>(6).fill(2n ** 72n + 2n ** 60n);
    const sums = new ColorSums([2n ** 60n, 2n ** 66n, 2n ** 66n, 2n ** 66n, ...squares]);
    assert.deepEqual(sums.mean(), [64, 64, 64]);
    assert.deepEqual(sums.covariance(), [
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });

  it('comes back from JSON', () => {
    const sums = new ColorSums();
    sums.add(pattern(9, 9));
    const again = new ColorSums((JSON.parse(JSON.stringify(sums)) as string[]).map(BigInt));
    assert.deepEqual(again.axes(), sums.axes());
    assert.equal(again.pixels, 81);
  });
});
