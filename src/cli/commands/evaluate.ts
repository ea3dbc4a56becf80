import { evaluateModel } from '../../api/evaluate-model.ts';
import { InterruptedError, UsageError } from '../../core/errors.ts';
import type { BadImage } from '../../data/sources/bad-images.ts';
import { splitNames } from '../../data/sources/splits.ts';
import type { EvaluationResult } from '../../evaluate/results/error-rates.ts';
import { tasks } from '../../train/recipe.ts';
import { choice, type FlagsOf, flag, newCommand, option, outputFile, repeatable } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { readOptionsOf } from '../format-options.ts';
import { messagesOf, reportBad, skipBad } from '../image-files.ts';
import { untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import { modelOptions } from '../model-options.ts';
import { positiveInteger } from '../options.ts';
import { log, printAs, warn } from '../output.ts';
import { withBars } from '../progress.ts';
import { rankOptions, withRanks } from '../ranks.ts';
import { evaluateBoxes } from './evaluate-localization.ts';
import { detailsOf, formatDetails, formatEvaluation, showEvaluation } from './evaluation-result.ts';

const { model, ...others } = modelOptions;
const options = {
  model,
  task: choice(
    tasks,
    "what to measure: errors of classes, or of the boxes that localization models predict (the paper's appendix A)",
    'classify',
  ),
  classifier: repeatable(
    option(
      '<model>',
      'with --task localize: classification model that names the classes and rates the boxes; repeat it to average several',
    ),
  ),
  boxes: option(
    '<path>',
    'with --task localize: CSV file of boxes, or folder of XML files (default: annotations near the images)',
  ),
  ...dataOptions,
  split: choice(
    splitNames,
    'split of the data set (default: val, otherwise test, otherwise the images that the model was not trained on)',
  ),
  ...others,
  batch: option(
    '<n>',
    'maximum batch size, in crops or images (default: 64, or fewer if memory is short)',
    positiveInteger,
  ),
  details: flag('also print the error of each class and the most frequent confusions'),
  predictions: outputFile('<file>', 'write the predictions to this file, one JSON line per image'),
  submission: outputFile(
    '<file>',
    'write a submission for the ILSVRC server: one line per image with the five predicted classes, numbered as in the development kit',
  ),
  skipBad,
  resume: flag('continue this evaluation where it was interrupted'),
  journal: option(
    '<file>',
    'file that records finished images for --resume (default: next to the predictions, otherwise in the cache folder)',
  ),
  ...rankOptions,
};
type Flags = FlagsOf<typeof options>;

/** `vgg evaluate`: error rates on labeled images. */
export const command = newCommand('evaluate', {
  description: "Measure a model's error on labeled images with the paper's protocols (sections 3.2 and 4).",
  examples: [
    'evaluate runs/photos --model runs/demo/best.safetensors',
    'evaluate ILSVRC --model vgg-d.safetensors --scales 256,384,512 --protocol both --json',
    'evaluate ILSVRC --model vgg-d.safetensors --model vgg-e.safetensors --scales auto --resume',
    'evaluate ILSVRC --split test --model vgg-d.safetensors --submission d.txt',
    'evaluate ILSVRC --task localize --model boxes.safetensors --classifier vgg-d.safetensors --scales 352,384',
  ],
  options,
})
  .argument('<data>', 'data set; only --predictions and --submission accept images without labels')
  .action(evaluate);

async function evaluate(named: string, flags: Flags): Promise<void> {
  const data = dataLocation(named, flags);
  if (flags.task === 'localize') return evaluateBoxes(data, flags);
  if (flags.classifier !== undefined || flags.boxes !== undefined) {
    throw new UsageError('--classifier and --boxes are for boxes; add --task localize, or leave them out');
  }
  const read = await readOptionsOf(flags);
  if (flags.skipBad && flags.submission !== undefined) {
    throw new UsageError('a submission needs a line for each image; leave out --skip-bad');
  }
  await downloadModels(flags.model);
  const bad: BadImage[] = [];
  try {
    const result = await withBars((show) =>
      untilInterrupted((signal) =>
        withRanks(flags, (communicator) =>
          evaluateModel({
            ...flags,
            data,
            read,
            signal,
            communicator,
            onProgress: showEvaluation(show, 'evaluating'),
            onNote: log,
            onBad: (images) => bad.push(...images),
          }),
        ),
      ),
    );
    print(result, bad, flags);
    reportBad(bad, result.images + bad.length, flags, ` of ${data}`);
  } catch (error) {
    // Nobody needs the batch that is being computed: exit once main has printed the message.
    if (error instanceof InterruptedError) setImmediate(() => process.exit());
    throw error;
  }
}

function print(result: EvaluationResult, bad: readonly BadImage[], flags: Flags): void {
  for (const warning of result.warnings) warn(warning);
  const { results: _, classes: __, labels: ___, ...others } = result;
  const figures = { ...others, bad: messagesOf(bad) };
  const document = flags.details ? { ...figures, ...detailsOf(result) } : figures;
  printAs(document, flags, () =>
    flags.details ? `${formatEvaluation(result)}\n\n${formatDetails(result)}` : formatEvaluation(result),
  );
}
