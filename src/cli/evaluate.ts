import { type Command, Option } from 'commander';
import { type EvaluationResult, evaluateModel } from '../api/evaluate-model.ts';
import type { Split } from '../data/source.ts';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatTable } from '../report/table.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { addModelOptions, type ModelFlags, modelOptionsOf, positiveInteger } from './options.ts';
import { printAs } from './output.ts';
import { ProgressBar } from './progress.ts';

interface Flags extends ModelFlags {
  readonly split: Split;
  readonly batch: number;
}

/** `vgg evaluate`: error rates on labelled images. */
export function evaluateCommand(): Command {
  const command = newCommand('evaluate', {
    description: 'Measure the error of a model on labelled images (paper, section 3.2).',
    examples: [
      'evaluate photos --model runs/photos/best.safetensors',
      'evaluate ILSVRC --model vgg-d.safetensors --scales 384 --json',
    ],
  }).argument('<data>', 'folder of labelled images');
  return addModelOptions(command)
    .addOption(
      new Option('--split <name>', 'part of the data').choices(['train', 'val', 'test']).default('val'),
    )
    .option('--batch <n>', 'images computed at once', positiveInteger, 64)
    .action(evaluate);
}

async function evaluate(data: string, flags: Flags): Promise<void> {
  const { model, split, batch } = flags;
  let bar: ProgressBar | undefined;
  try {
    const result = await untilInterrupted((signal) =>
      evaluateModel({
        data,
        model,
        split,
        batch,
        signal,
        ...modelOptionsOf(flags),
        onProgress: ({ done, total, top1Error }) => {
          bar ??= new ProgressBar('evaluating', total);
          bar.update(done, `top-1 error ${formatPercent(top1Error)} %`);
        },
      }),
    );
    bar?.stop();
    printAs(result, flags, formatEvaluation);
  } finally {
    bar?.stop();
  }
}

function formatEvaluation({ images, top1Error, top5Error, loss, scales, seconds }: EvaluationResult): string {
  return formatTable(
    [
      [
        'center',
        scales.join(', '),
        formatCount(images),
        formatPercent(top1Error),
        formatPercent(top5Error),
        loss.toFixed(4),
        formatDuration(seconds),
      ],
    ],
    {
      head: ['protocol', 'Q', 'images', 'top-1 error %', 'top-5 error %', 'loss', 'time'],
      align: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    },
  );
}
