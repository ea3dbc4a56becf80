import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { projectFolder } from '../../../src/core/project.ts';
import { createBackend } from '../../../src/kernels/registry.ts';
import { dropIterations, scheduleOf } from '../../../src/train/learning-rate-schedule.ts';
import { recipeKeys } from '../../../src/train/recipe.ts';
import { formatRecipe, readRecipeAndData, readRecipeFile } from '../../../src/train/recipe-file.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { folderWith } from '../../support/images.ts';

const refused = (partial: Record<string, unknown>, message: RegExp) =>
  assert.throws(() => resolveRecipe(partial, 'x.yaml'), { name: 'UserError', message });

describe('a recipe', () => {
  it("has the paper's defaults", () => {
    const recipe = resolveRecipe({}, 'the flags');
    const { batch, momentum, 'weight-decay': decay, dropout, crop, scale } = recipe;
    assert.deepEqual([batch, momentum, decay, dropout, crop, scale], [256, 0.9, 5e-4, 0.5, 224, '256']);
    assert.deepEqual([recipe.lr, recipe['lr-drops'], recipe.epochs], [0.01, 3, 74]);
  });

  it('names an unknown key and the known ones', () =>
    refused({ learningrate: 1 }, /x\.yaml: unknown key learningrate; the keys are config, width/));
  it('names the key with a wrong value', () =>
    refused({ momentum: 1.5 }, /x\.yaml: momentum must be below 1$/));
  it('refuses a crop that is not a multiple of 32', () =>
    refused({ crop: 100 }, /crop must be a multiple of 32$/));
  it('refuses a scale below the crop', () =>
    refused({ scale: 200 }, /scale 200 is smaller than the crop of 224/));
  it('refuses two starting points', () =>
    refused({ from: 'a', 'from-shallower': 'b' }, /from and from-shallower cannot be used together/));

  it('accepts the former name of the backend native, and prints the present one', (t) => {
    const warn = t.mock.method(console, 'warn', () => {});
    assert.equal(resolveRecipe({ backend: 'onednn' }).backend, 'native');
    assert.equal(createBackend('onednn').name, 'native');
    assert.equal(warn.mock.callCount(), 1);
    const [message] = warn.mock.calls[0]!.arguments;
    assert.equal(message, 'The backend "onednn" is now called "native". The old name still works.');
  });

  it('survives being written and read', () => {
    const recipe = resolveRecipe({ config: 'D', scale: '256..512', 'lr-drop-at': '6e,8.5e' }, 'the flags');
    assert.deepEqual(resolveRecipe(parse(formatRecipe(recipe)) as Record<string, unknown>, 'y'), recipe);
  });

  it("is also a run's recipe.yaml, which names its data", async (t) => {
    const text = formatRecipe(resolveRecipe({ config: 'D' }));
    const folder = await folderWith(t, { 'recipe.yaml': `data: /photos\n${text}` });
    const file = join(folder, 'recipe.yaml');
    // Without a version: what version 0.2 did is stated.
    const former = { mean: 'dataset', 'color-profiles': 'convert' } as const;
    assert.deepEqual(
      resolveRecipe(await readRecipeFile(file), file),
      resolveRecipe({ config: 'D', ...former }),
    );
    assert.equal((await readRecipeAndData(file)).data, '/photos');
    await writeFile(file, 'data: [1]');
    await assert.rejects(readRecipeFile(file), /recipe\.yaml: data must be the location of the images/);
  });

  it("keeps the meaning of an earlier version's he", async (t) => {
    const folder = await folderWith(t, {
      'recorded.yaml': 'data: /photos\ninit: he',
      'recorded-now.yaml': 'data: /photos\nversion: 2\ninit: he',
      'written.yaml': 'init: he',
      'written-for-1.yaml': 'version: 1\ninit: he',
      'later.yaml': 'version: 9',
    });
    const init = async (name: string) => (await readRecipeFile(join(folder, name))).init;
    assert.equal(await init('recorded.yaml'), 'he-unscaled');
    assert.equal(await init('recorded-now.yaml'), 'he');
    assert.equal(await init('written.yaml'), 'he');
    assert.equal(await init('written-for-1.yaml'), 'he-unscaled');
    await assert.rejects(init('later.yaml'), /later\.yaml has version 9, but this verydeep knows versions 1/);
  });

  it('describes every key, with its default, and its choices or the name of its value', () => {
    for (const { key, description, value, choices, default: fallback } of recipeKeys) {
      assert.ok(description, key);
      assert.ok(typeof fallback === 'boolean' || choices || value, key);
    }
    const facts = recipeKeys.find(({ key }) => key === 'pooling');
    assert.deepEqual([facts?.default, facts?.choices], ['floor', ['floor', 'ceil']]);
  });

  it('names what a value must be', () =>
    refused(
      { lr: 'fast', batch: 0, crop: 32.5, pooling: 'up', flip: 'no', scale: true, width: 17 },
      /^x\.yaml: width must be at most 16; crop must be a whole number; pooling must be one of floor, ceil; scale must be a number or text; batch must be above 0; lr must be a number; flip must be true or false$/,
    ));

  it('raises the rate with the batch, and warms up from the original rate', () => {
    const larger = resolveRecipe({ lr: 0.01, batch: 2048, 'lr-reference-batch': 256, warmup: '5e' });
    const { learningRate, warmup, warmupFrom } = scheduleOf(larger, 100);
    assert.deepEqual([learningRate, warmup, warmupFrom], [0.08, 500, 1 / 8]);
    const { warmup: iterations, warmupFrom: none } = scheduleOf(resolveRecipe({ warmup: 300 }), 100);
    assert.deepEqual([iterations, none], [300, 0]);
    const plain = scheduleOf(resolveRecipe({}), 100);
    assert.deepEqual([plain.learningRate, plain.warmup], [0.01, undefined]);
  });
  it('refuses a warm-up that is not a length', () =>
    refused({ warmup: '5 epochs' }, /warmup must be a number of iterations/));
  it('drops at iterations or epochs', () => {
    assert.deepEqual(dropIterations('6e, 100,8.5e', 10), [60, 85, 100]);
  });
});

describe('the recipes that come with the project', () => {
  const folder = join(projectFolder, 'recipes');
  const files = readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.yaml'));
  assert.ok(files.length >= 14);
  for (const file of files) {
    it(`${file} is valid`, async () => {
      resolveRecipe(await readRecipeFile(join(folder, String(file))), String(file));
    });
  }
});
