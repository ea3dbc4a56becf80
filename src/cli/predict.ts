import { type Command, Option } from 'commander';
import { Classifier, type ImagePrediction } from '../api/classifier.ts';
import type { BackendName } from '../kernels/registry.ts';
import { formatPercent } from '../report/format.ts';
import { formatTable } from '../report/table.ts';
import { newCommand } from './command.ts';
import { backendOption, jsonOption, positiveInteger, threadsOption } from './options.ts';
import { printJson, printResult } from './output.ts';
import { withProgress } from './progress.ts';

interface Flags {
  readonly model: string;
  readonly scales?: number;
  readonly top: number;
  readonly all?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

interface Named extends ImagePrediction {
  readonly path: string;
}

/** `vgg predict`: what is in an image. */
export function predictCommand(): Command {
  return newCommand('predict', {
    description: 'Say what is in images.',
    examples: [
      'predict cat.jpg --model runs/photos/best.safetensors',
      'predict *.png --model m.safetensors --json',
    ],
  })
    .argument('<images...>', 'JPEG, PNG or WebP files')
    .requiredOption('--model <file>', 'model file')
    .addOption(
      new Option('--protocol <name>', 'center: one centre crop an image')
        .choices(['center'])
        .default('center'),
    )
    .option(
      '--scales <pixels>',
      'smaller side Q (default: what belongs to the training scale)',
      positiveInteger,
    )
    .option('--top <n>', 'classes to name', positiveInteger, 5)
    .option('--all', 'with --json: the posteriors of all classes')
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(predict);
}

async function predict(images: string[], flags: Flags): Promise<void> {
  const { threads, backend, scales, top } = flags;
  const classifier = await Classifier.open(flags.model, {
    backend,
    ...(threads !== undefined && { threads }),
  });
  try {
    const predictions = await withProgress('predicting', images.length, async (tick) => {
      const done: Named[] = [];
      for (const path of images) {
        const scale = scales === undefined ? {} : { scale: scales };
        done.push({ path, ...(await classifier.predict(path, { top, ...scale })) });
        tick();
      }
      return done;
    });
    if (flags.json) printJson({ images: predictions.map((one) => jsonOf(one, flags)) });
    else printResult(formatPredictions(predictions));
  } finally {
    classifier.close();
  }
}

function jsonOf({ path, top, posteriors }: Named, { all }: Flags) {
  return { path, top, ...(all && { posteriors: [...posteriors] }) };
}

function formatPredictions(predictions: readonly Named[]): string {
  return formatTable(
    predictions.flatMap(({ path, top }) =>
      top.map(({ label, probability }, rank) => [rank === 0 ? path : '', label, formatPercent(probability)]),
    ),
    { head: ['image', 'class', 'probability %'], align: ['left', 'left', 'right'] },
  );
}
