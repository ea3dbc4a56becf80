import { type Command, Option } from 'commander';
import { type EvaluationProgress, type EvaluationResult, evaluateModel } from '../api/evaluate-model.ts';
import type { Communicator } from '../comm/communicator.ts';
import { InterruptedError } from '../core/errors.ts';
import { type Split, splitNames } from '../data/sources/splits.ts';
import { formatPercent } from '../report/format.ts';
import { newCommand } from './command.ts';
import { detailsOf, formatDetails, formatEvaluation } from './evaluation-result.ts';
import { untilInterrupted } from './interrupt.ts';
import { addModelOptions, type ModelFlags, modelOptionsOf } from './model-options.ts';
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

/** `vgg evaluate`: error rates on labelled images. */
export function evaluateCommand(): Command {
  const command = newCommand('evaluate', {
    description:
      "Measure the error of a model on labelled images by the paper's protocols (sections 3.2 and 4).",
    examples: [
      'evaluate photos --model runs/photos/best.safetensors',
      'evaluate ILSVRC --model vgg-d.safetensors --scales 256,384,512 --protocol both --json',
      'evaluate ILSVRC --model vgg-d.safetensors --model vgg-e.safetensors --scales auto --resume',
      'evaluate ILSVRC --split test --model vgg-d.safetensors --submission d.txt',
    ],
  }).argument('<data>', 'folder of labelled images; with --predictions or --submission any folder of images');
  return addRankOptions(addModelOptions(command))
    .addOption(new Option('--split <name>', 'part of the data').choices(splitNames).default('val'))
    .option('--details', 'also the error of each class, and which classes are taken for which')
    .option('--predictions <file>', 'write what is said of each image: a JSON line an image')
    .option(
      '--submission <file>',
      'write what the ILSVRC server takes: five class numbers of the development kit a line',
    )
    .option('--resume', 'go on with the same evaluation, if it was interrupted')
    .option(
      '--journal <file>',
      'where to keep the images done until the end (default: beside the predictions, else in the cache folder)',
    )
    .option(
      '--batch <n>',
      'crops or images computed at once, at most (default: 64, or what memory allows)',
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
  const { split, batch, predictions, submission, resume, journal } = flags;
  try {
    const modelOptions = await modelOptionsOf(flags);
    const run = (communicator: Communicator, signal: AbortSignal): Promise<EvaluationResult> =>
      evaluateModel({
        data,
        split,
        signal,
        communicator,
        onProgress,
        onNote: log,
        ...modelOptions,
        model: flags.model,
        batch,
        predictions,
        submission,
        resume,
        journal,
      });
    const result = await untilInterrupted((signal) =>
      withRanks(flags, (communicator) => run(communicator, signal)),
    );
    bar?.stop();
    print(result, flags);
  } catch (error) {
    // What the engine computes at the moment is of no use to anyone: out, once main has said why.
    if (error instanceof InterruptedError) setImmediate(() => process.exit());
    throw error;
  } finally {
    bar?.stop();
  }
}

function print(result: EvaluationResult, flags: Flags): void {
  const { outcomes: _, classes: __, labels: ___, ...figures } = result;
  const document = flags.details ? { ...figures, ...detailsOf(result) } : figures;
  printAs(document, flags, () =>
    flags.details ? `${formatEvaluation(result)}\n\n${formatDetails(result)}` : formatEvaluation(result),
  );
}
