import { type Command, Option } from 'commander';
import { type EvaluationProgress, type EvaluationResult, evaluateModel } from '../api/evaluate-model.ts';
import { InterruptedError } from '../core/errors.ts';
import { type Split, splitNames } from '../data/sources/splits.ts';
import { formatPercent } from '../report/format.ts';
import { newCommand } from './command.ts';
import { detailsOf, formatDetails, formatEvaluation } from './evaluation-result.ts';
import { readOptionsOf } from './foreign-options.ts';
import { untilInterrupted } from './interrupt.ts';
import { addModelOptions, type ModelFlags } from './model-options.ts';
import { positiveInteger } from './options.ts';
import { log, printAs } from './output.ts';
import { ProgressBar } from './progress.ts';
import { addRankOptions, type RankFlags, withRanks } from './ranks.ts';

interface Flags extends ModelFlags, RankFlags {
  readonly split: Split;
  readonly batch?: number;
  readonly details?: boolean;
  readonly predictions?: string;
  readonly submission?: string;
  readonly resume?: boolean;
  readonly journal?: string;
}

/** `vgg evaluate`: error rates on labeled images. */
export function evaluateCommand(): Command {
  const command = newCommand('evaluate', {
    description: "Measure a model's error on labeled images by the paper's protocols (sections 3.2 and 4).",
    examples: [
      'evaluate photos --model runs/photos/best.safetensors',
      'evaluate ILSVRC --model vgg-d.safetensors --scales 256,384,512 --protocol both --json',
      'evaluate ILSVRC --model vgg-d.safetensors --model vgg-e.safetensors --scales auto --resume',
      'evaluate ILSVRC --split test --model vgg-d.safetensors --submission d.txt',
    ],
  }).argument('<data>', 'folder of labeled images; with --predictions or --submission any folder of images');
  return addRankOptions(addModelOptions(command))
    .addOption(new Option('--split <name>', 'part of the data').choices(splitNames).default('val'))
    .option('--details', 'also print the error of each class and the most frequent confusions')
    .option('--predictions <file>', 'write the predictions: one JSON line for each image')
    .option(
      '--submission <file>',
      'write a submission to the ILSVRC server: five class numbers of the development kit on each line',
    )
    .option('--resume', 'continue the same evaluation if it was interrupted')
    .option(
      '--journal <file>',
      'record of finished images, for --resume (default: next to the predictions, else in the cache folder)',
    )
    .option(
      '--batch <n>',
      'maximum number of crops or images in a batch (default: 64, or fewer if memory is short)',
      positiveInteger,
    )
    .action(evaluate);
}

async function evaluate(data: string, flags: Flags): Promise<void> {
  let bar: ProgressBar | undefined;
  const onProgress = ({ done, total, top1Error }: EvaluationProgress): void => {
    bar ??= new ProgressBar('evaluating', total, { done: done - 1 });
    bar.update(done, Number.isNaN(top1Error) ? '' : `top-1 error ${formatPercent(top1Error)} %`);
  };
  try {
    const options = { ...flags, data, read: await readOptionsOf(flags), onProgress, onNote: log };
    const result = await untilInterrupted((signal) =>
      withRanks(flags, (communicator) => evaluateModel({ ...options, signal, communicator })),
    );
    bar?.stop();
    print(result, flags);
  } catch (error) {
    // Nobody needs the batch that is being computed: exit once main has printed the message.
    if (error instanceof InterruptedError) setImmediate(() => process.exit());
    throw error;
  } finally {
    bar?.stop();
  }
}

function print(result: EvaluationResult, flags: Flags): void {
  const { results: _, classes: __, labels: ___, ...figures } = result;
  const document = flags.details ? { ...figures, ...detailsOf(result) } : figures;
  printAs(document, flags, () =>
    flags.details ? `${formatEvaluation(result)}\n\n${formatDetails(result)}` : formatEvaluation(result),
  );
}
