import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DataFacts, dataDefaults } from '../../../src/train/data-defaults.ts';
import type { PartialRecipe } from '../../../src/train/recipe.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';

const photos: DataFacts = { images: 1000, classes: 5, side: 375 };

describe('settings that follow from the data', () => {
  it("are the paper's for the paper's data", () => {
    assert.deepEqual(dataDefaults({ images: 1_281_167, classes: 1000, side: 375 }, {}), {
      width: 1,
      crop: 224,
      scale: '256',
    });
    assert.deepEqual(
      resolveRecipe(dataDefaults({ images: 1_281_167, classes: 1000, side: 375 }, {})),
      resolveRecipe({}),
    );
  });

  const sizes: readonly [DataFacts, number, number][] = [
    [{ ...photos, side: 28 }, 32, 0.25],
    [{ ...photos, side: 64 }, 64, 0.25],
    [{ ...photos, side: 4000 }, 64, 0.25],
    [{ ...photos, images: 50_000, side: 32 }, 32, 0.5],
    [{ ...photos, images: 50_000 }, 128, 0.5],
    [{ ...photos, images: 300_000 }, 224, 1],
  ];
  for (const [facts, crop, width] of sizes) {
    it(`${facts.images} images of ${facts.side} pixels: crop ${crop}, width ${width}`, () => {
      const chosen = dataDefaults(facts, {});
      assert.deepEqual([chosen.crop, chosen.width], [crop, width]);
    });
  }

  it('have the size of a preset, if one is chosen', () => {
    const sizeOf = ({ crop, width, batch }: PartialRecipe) => [crop, width, batch];
    assert.deepEqual(sizeOf(dataDefaults({ ...photos, images: 300_000 }, {}, 'small')), [64, 0.25, 256]);
    assert.deepEqual(sizeOf(dataDefaults(photos, { crop: 32 }, 'medium')), [undefined, 0.5, 16]);
    assert.deepEqual(dataDefaults(photos, {}, 'paper'), {});
  });

  it('have smaller batches for fewer images, never of all images', () => {
    const batchOf = (images: number) => dataDefaults({ ...photos, images }, {}).batch;
    assert.deepEqual(
      [2, 10, 110, 1000, 3000, 10_000, 50_000, 499_999].map(batchOf),
      [1, 4, 16, 16, 32, 64, 128, 256],
    );
  });

  it('follow from given keys', () => {
    const scaleOf = (given: PartialRecipe) => dataDefaults(photos, given).scale;
    assert.deepEqual(
      [scaleOf({}), scaleOf({ crop: 128 }), scaleOf({ crop: 224 })],
      ['64..80', '128..160', '256'],
    );
    assert.equal(dataDefaults(photos, { scale: 48 }).crop, 32);
    assert.equal(dataDefaults(photos, { epochs: 10 })['lr-drop-at'], '5e,7e,8.5e');
    const ofSteps = dataDefaults(photos, { iterations: 100, batch: 10 });
    assert.deepEqual(
      [ofSteps['lr-drop-at'], ofSteps.epochs, ofSteps['validate-every']],
      ['50,70,85', undefined, 1],
    );
    // Who sets the plateau rule, wants it.
    const plateau = dataDefaults(photos, { patience: 3 });
    assert.deepEqual([plateau['lr-drop-at'], plateau['lr-factor']], [undefined, undefined]);
  });

  it('take the network from the model to start from, a tenth of the rate and of the epochs', () => {
    const from = { config: 'D', width: 1, crop: 224, featuresOnly: false } as const;
    const whole = dataDefaults({ ...photos, from }, {});
    const { config, width, crop, scale, lr, epochs } = whole;
    assert.deepEqual([config, width, crop, scale, lr], ['D', 1, 224, '256', 0.001]);
    assert.equal(epochs, Math.round(dataDefaults(photos, {}).epochs! / 10));
    assert.equal(dataDefaults({ ...photos, from: { ...from, featuresOnly: true } }, {}).crop, 64);
  });

  it('never replace a given key, and always make a valid recipe', () => {
    const given = fc.record<PartialRecipe>(
      {
        config: fc.constantFrom('A', 'D'),
        width: fc.constantFrom(0.1, 2),
        crop: fc.constantFrom(32, 96, 224),
        batch: fc.integer({ min: 1, max: 512 }),
        epochs: fc.integer({ min: 1, max: 200 }),
        iterations: fc.integer({ min: 1, max: 1e5 }),
        patience: fc.integer({ min: 1, max: 9 }),
        'lr-drop-at': fc.constant('3e'),
        'validate-every': fc.constant(0.5),
      },
      { requiredKeys: [] },
    );
    const facts = fc.record({
      images: fc.integer({ min: 2, max: 2_000_000 }),
      classes: fc.integer({ min: 2, max: 1000 }),
      side: fc.integer({ min: 0, max: 8000 }),
    });
    fc.assert(
      fc.property(facts, given, (facts, given) => {
        const chosen = dataDefaults(facts, given);
        for (const key of Object.keys(given)) assert.ok(!(key in chosen), key);
        resolveRecipe({ ...chosen, ...given });
      }),
    );
  });
});
