import type { Command } from 'commander';
import { type CardOptions, describeRunModel } from '../api/describe-run-model.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { formatCard } from '../report/model-card.ts';
import { newCommand } from './command.ts';
import { log, printResult } from './output.ts';

interface Flags extends Omit<CardOptions, 'run'> {
  readonly out?: string;
}

/** `vgg card`: a model card for publishing a model. */
export function cardCommand(): Command {
  return newCommand('card', {
    description: "Describe a run's model as a model card: Markdown with the front matter of Hugging Face.",
    examples: ['card runs/photos', 'card runs/photos --license cc-by-4.0 --out runs/photos/README.md'],
  })
    .argument('<run>', 'run folder')
    .option('--out <file.md>', 'file to write (default: print the card)')
    .option('--dataset <name>', 'name of the data set (default: the name of its folder)')
    .option('--license <id>', "license of the weights, such as cc-by-4.0 (default: the model file's)")
    .action(card);
}

async function card(run: string, { out, ...options }: Flags): Promise<void> {
  const text = formatCard(await describeRunModel({ run, ...options }));
  if (out === undefined) return printResult(text.trimEnd());
  await writeFileAtomically(out, text);
  log(`Wrote the model card to ${out}`);
}
