import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withPreparation } from '../../../src/train/first-weights.ts';
import type { PartialRecipe } from '../../../src/train/recipe.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import type { Model } from '../../../src/weights/model/model.ts';

describe('the preparation of images', () => {
  const model = { meanRgb: [123.675, 116.28, 103.53], colorProfiles: 'convert' } as unknown as Model;
  const prepared = (recipe: PartialRecipe, start?: Model) => {
    const { mean, 'color-profiles': profiles } = withPreparation(resolveRecipe(recipe), start);
    return [mean, profiles];
  };

  it("is the paper's for random weights and for a deeper net", () => {
    assert.deepEqual(prepared({}), ['dataset', 'ignore']);
    assert.deepEqual(prepared({ 'from-shallower': 'a' }, model), ['dataset', 'ignore']);
  });

  it('is that of the model that training continues', () => {
    assert.deepEqual(prepared({ from: 'a' }, model), ['123.675,116.28,103.53', 'convert']);
  });

  it('is what the recipe says', () => {
    const own = { from: 'a', mean: 'dataset', 'color-profiles': 'ignore' } as const;
    assert.deepEqual(prepared(own, model), ['dataset', 'ignore']);
  });
});
