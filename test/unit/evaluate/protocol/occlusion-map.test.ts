import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { occlusionGrid, occlusionMapOf } from '../../../../src/evaluate/protocol/occlusion-map.ts';
import { classifierOf, ensembleOf, MEAN, picture, smallModel } from '../small-models.ts';

const LABELS = ['ant', 'bee', 'cat', 'dog', 'eel'];

describe('the grid of occlusions', () => {
  it('stays inside the image, is centered, and has at most 200 squares', () => {
    const side = fc.integer({ min: 32, max: 1500 });
    fc.assert(
      fc.property(side, side, fc.option(fc.integer({ min: 1, max: 2048 })), (width, height, patch) => {
        const grid = occlusionGrid({ width, height }, 32, patch ?? undefined);
        const { rows, columns, left, top, stride } = grid;
        assert.ok(rows >= 1 && columns >= 1 && rows * columns <= 200);
        for (const [start, count, extent] of [
          [left, columns, width],
          [top, rows, height],
        ] as const) {
          const rest = extent - (start + (count - 1) * stride + grid.patch);
          assert.ok(start >= 0 && (rest === start || rest === start + 1), `${start} ${rest}`);
        }
      }),
    );
  });
});

describe('the occlusion map', () => {
  it('fails once if its images are given up, and leaves no failure behind', async () => {
    const model = await smallModel();
    const facts = { ...model, labels: LABELS, meanRgb: MEAN };
    const classifier = classifierOf(model);
    const map = occlusionMapOf({ classifier, facts }, picture(40, 40, 2));
    classifier.close(new Error('given up'));
    await assert.rejects(map, /given up/);
  });

  it('holds 32 images at a time', async () => {
    const model = await smallModel();
    const classifier = classifierOf(model);
    let [waiting, most, all] = [0, 0, 0];
    const scores = classifier.scores.bind(classifier);
    classifier.scores = async (...given) => {
      [waiting, all] = [waiting + 1, all + 1];
      most = Math.max(most, waiting);
      return scores(...given).finally(() => waiting--);
    };
    const facts = { ...model, labels: LABELS, meanRgb: MEAN };
    const { map } = await occlusionMapOf({ classifier, facts }, picture(60, 60, 2), { patch: 8 });
    assert.equal(all, map.length + 1);
    assert.ok(all > 64 && most === 32, `${most} of ${all}`);
  });

  it('has the probability of an image whose square has the mean color', async () => {
    const model = await smallModel();
    const facts = { ...model, labels: LABELS, meanRgb: MEAN };
    const image = picture(66, 64, 2);
    const found = await occlusionMapOf({ classifier: classifierOf(model), facts }, image, { patch: 16 });
    const { rows, columns, left, top, effectiveStride } = found;
    assert.deepEqual([rows, columns, left, top, effectiveStride], [7, 7, 1, 0, 8]);
    const [row, column] = [2, 5];
    const pixels = image.pixels.slice();
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const isHidden = y >= 16 && y < 32 && x >= 41 && x < 57;
        if (isHidden)
          for (let c = 0; c < 3; c++) pixels[3 * (y * image.width + x) + c] = Math.round(MEAN[c]!);
      }
    }
    const ensemble = ensembleOf([model], [64], { protocol: 'dense', flip: false });
    const [whole, hidden] = [image, { ...image, pixels }].map((one) => ensemble.classify([one]));
    ensemble.flush();
    const { index, probability } = found.class;
    assert.ok(Math.abs((await whole!).posteriors[index]! - probability) < 1e-6);
    const expected = (await hidden!).posteriors[index]!;
    assert.ok(Math.abs(found.map[row * columns + column]! - expected) < 1e-6);
    assert.notEqual(expected, probability);
  });
});
