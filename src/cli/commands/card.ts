import { describeRunModel } from '../../api/describe-run-model.ts';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { formatCard } from '../../report/model-card.ts';
import { type FlagsOf, newCommand, option, outputFile } from '../command.ts';
import { log, printResult } from '../output.ts';

const options = {
  out: outputFile('<file.md>', 'file to write (default: print the card)'),
  dataset: option('<name>', 'name of the data set (default: the name of its folder)'),
  license: option('<id>', "license of the weights, such as cc-by-4.0 (default: the model file's)"),
};

/** `vgg card`: a model card for publishing a model. */
export const command = newCommand('card', {
  description: "Write a model card for a run's model: Markdown with Hugging Face front matter.",
  examples: ['card runs/demo', 'card runs/demo --license cc-by-4.0 --out runs/demo/README.md'],
  options,
})
  .argument('<run>', 'run folder')
  .action(card);

async function card(run: string, { out, ...described }: FlagsOf<typeof options>): Promise<void> {
  const text = formatCard(await describeRunModel({ run, ...described }));
  if (out === undefined) return printResult(text.trimEnd());
  await writeFileAtomically(out, text);
  log(`Wrote the model card to ${out}`);
}
