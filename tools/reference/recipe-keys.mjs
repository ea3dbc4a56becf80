/** The reference of a recipe's keys, from their schema. */
import { recipeKeys } from '../../dist/src/train/recipe.js';
import { code, generated, plain, sentence, table } from './markdown.mjs';

export function recipePage() {
  return `${[
    generated,
    '# Recipe keys',
    'A recipe is a YAML file of these keys; a key that is left out has its default. `vgg train --recipe FILE` reads it, and every key is also a flag of `vgg train`: `lr: 0.02` in the file is `--lr 0.02` on the command line, `flip: false` is `--no-flip`. Flags override the file. The file `recipe.yaml` of a run folder has the complete recipe of the run, and the location of its images. Keys marked *resumable* may be changed when a run is continued with `--resume`.',
    'The folder [recipes](../../recipes) has the recipes of the paper, of the demo and of the [results on CIFAR-10](../explanation/results.md).',
    table(['key', 'values', 'default', 'meaning'], recipeKeys.map(rowOf)),
  ].join('\n\n')}\n`;
}

function rowOf({ key, value, choices, default: fallback, description, resumable }) {
  const values = choices?.join('|') ?? (typeof fallback === 'boolean' ? 'true|false' : (value ?? ''));
  return [
    code(key),
    code(values),
    code(fallback === undefined ? '' : String(fallback)),
    plain(sentence(description)) + (resumable ? ' *Resumable.*' : ''),
  ];
}
