import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RgbImage } from '../../../src/data/sources/image-source.ts';
import { gridCrops } from '../../../src/evaluate/protocol/crop-grid.ts';
import { toSharp } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { mirrored, picture } from '../evaluate/small-models.ts';
import { imageRequest, type Json, smallServer } from './small-server.ts';

const pngOf = (image: RgbImage): Promise<Buffer> => toSharp(image).png().toBuffer();

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${i}: ${value}`);
}

describe('POST /v1/score-map', () => {
  const image = picture(96, 64, 3);

  it('has the probabilities of dense evaluation, and a soft-max at each position', async (t) => {
    const { ask, json } = await smallServer(t);
    const bytes = await pngOf(image);
    const body = await json(imageRequest('/v1/score-map?scales=64,75,128&top=5', bytes));
    assert.deepEqual(body.image, { width: 96, height: 64 });
    const maps = body.scales.map(({ classes: _, ...map }: Json) => map);
    const grid = { effectiveStride: 32, receptiveField: 150 };
    assert.deepEqual(maps, [
      { scale: 64, rescaled: { width: 96, height: 64 }, rows: 2, columns: 3, left: 0, top: 0, ...grid },
      { scale: 75, rescaled: { width: 113, height: 75 }, rows: 2, columns: 3, left: 8, top: 5, ...grid },
      { scale: 128, rescaled: { width: 192, height: 128 }, rows: 4, columns: 6, left: 0, top: 0, ...grid },
    ]);
    for (const { scale, classes, rows, columns } of body.scales) {
      const predicted = await ask(imageRequest(`/v1/predict?scales=${scale}&top=5`, bytes));
      const { top } = predicted.body.images[0];
      assert.deepEqual(pluck(classes, 'label'), pluck(top, 'label'));
      assertClose(pluck(classes, 'probability'), pluck(top, 'probability'));
      for (let position = 0; position < rows * columns; position++) {
        const sum = classes.reduce((total: number, { map }: Json) => total + map[position], 0);
        assert.ok(Math.abs(sum - 1) < 1e-6);
      }
    }
  });

  it('of a mirrored image is the mirrored map', async (t) => {
    const { json } = await smallServer(t);
    const mapOf = async (one: RgbImage) => {
      const body = await json(imageRequest('/v1/score-map?scales=64&class=2', await pngOf(one)));
      assert.equal(body.scales[0].classes.length, 1);
      assert.equal(body.scales[0].classes[0].index, 2);
      return body.scales[0].classes[0].map as number[];
    };
    const map = await mapOf(image);
    const [a, b, c, d, e, f] = await mapOf(mirrored(image));
    assertClose([c!, b!, a!, f!, e!, d!], map);
    assert.notEqual(map[0], map[2]);
  });

  it('shows the requested classes, and refuses unknown ones', async (t) => {
    const { json, refused } = await smallServer(t);
    const bytes = await pngOf(image);
    const body = await json(imageRequest('/v1/score-map?class=4&class=0', bytes));
    assert.deepEqual(pluck(body.scales[0].classes, 'index'), [4, 0]);
    await refused(imageRequest('/v1/score-map?class=5', bytes), '400 bad_request', /0 to 4/);
  });
});

describe('POST /v1/crops', () => {
  it('has the grid of crops, whose mean equals the crops protocol', async (t) => {
    const { ask, json } = await smallServer(t);
    const bytes = await pngOf(picture(60, 44, 1));
    const body = await json(imageRequest('/v1/crops?scales=44', bytes));
    const [{ crops, crop, rescaled }] = body.scales;
    assert.equal(crop, 32);
    const grid = gridCrops(rescaled, 32, true);
    assert.deepEqual(pluck(crops, 'x'), pluck(grid, 'left'));
    assert.deepEqual(pluck(crops, 'y'), pluck(grid, 'top'));
    assert.deepEqual(pluck(crops, 'flipped'), pluck(grid, 'flip'));
    const predicted = await ask(imageRequest('/v1/predict?protocol=crops&scales=44&top=1', bytes));
    const [best] = predicted.body.images[0].top;
    // Each crop lists three of five classes, so the mean is known only within the probability of the others.
    const [least, most] = [0, 1].map(
      (missing) =>
        crops.reduce((sum: number, { top }: Json) => {
          const named = top.find(({ index }: Json) => index === best.index);
          return sum + (named ? named.probability : missing * top[2].probability);
        }, 0) / crops.length,
    );
    assert.ok(best.probability >= least! - 1e-6 && best.probability <= most! + 1e-6);
  });

  it('leaves out mirror images on request', async (t) => {
    const { ask } = await smallServer(t);
    const { body } = await ask(imageRequest('/v1/crops?flip=false', await pngOf(picture(60, 44))));
    assert.equal(body.scales[0].crops.length, 25);
    assert.ok(body.scales[0].crops.every(({ flipped }: Json) => !flipped));
  });
});
