import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trainModel } from '../../../src/browser/train-model.ts';

describe('training in a browser', () => {
  for (const keys of [{ 'class-weights': 'balanced' }, { 'lr-scale': 'fc8=10' }]) {
    const [key] = Object.keys(keys);
    it(`refuses ${key}, which it would ignore`, async () => {
      const recipe = { crop: 32, scale: 32, ...keys } as const;
      await assert.rejects(trainModel({ images: [], recipe }), {
        name: 'UserError',
        message: `training in a browser does not support ${key}: remove it from the recipe`,
      });
    });
  }

  it('refuses to learn boxes, which its images do not have', async () => {
    const recipe = { crop: 32, scale: 32, task: 'localize' } as const;
    await assert.rejects(trainModel({ images: [], recipe }), {
      name: 'UserError',
      message: /images without boxes: remove task/,
    });
  });
});
