/** The reference of a recipe's keys, from their schema. */
import { z } from 'zod';
import { buildProgram } from '../../dist/src/cli/program.js';
import { recipeSchema } from '../../dist/src/train/recipe.js';
import { code, generated, plain, sentence, table } from './markdown.mjs';

export async function recipePage() {
  const program = await buildProgram(['train']);
  const flags = new Map(program.commands[0].options.map((option) => [option.long, option.flags]));
  const rows = Object.entries(recipeSchema.shape).map(([key, schema]) => {
    const fallback = schema.parse(undefined);
    return [
      code(key),
      code(valuesOf(flags.get(`--${key}`), schema)),
      fallback === undefined ? '' : code(String(fallback)),
      plain(sentence(schema.description ?? '')),
    ];
  });
  return `${[
    generated,
    '# Recipe keys',
    'A recipe is a YAML file of these keys; what it leaves out has the default. `vgg train --recipe FILE` reads it, and every key is also a flag of `vgg train`: `lr: 0.02` in the file is `--lr 0.02` on the command line, `flip: false` is `--no-flip`. Flags override the file. Each run folder holds the complete recipe of its run as `recipe.yaml`.',
    'The folder [recipes](../../recipes) has the recipes of the paper, of the demo and of the [results on CIFAR-10](../explanation/results.md).',
    table(['key', 'values', 'default', 'meaning'], rows),
  ].join('\n\n')}\n`;
}

/** What a value looks like: what `--help` shows after the flag. */
function valuesOf(flag = '', schema) {
  const shown = /<(.*)>$/.exec(flag)?.[1];
  if (shown && shown !== 'value') return shown;
  const { type, enum: choices } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return choices?.join('|') ?? (type === 'boolean' ? 'true|false' : [type ?? 'text'].flat().join('|'));
}
