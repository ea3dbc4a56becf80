import { type TransferResult, transferFeatures } from '../../api/transfer-features.ts';
import { UsageError } from '../../core/errors.ts';
import type { BadImage } from '../../data/sources/bad-images.ts';
import { linearKinds } from '../../evaluate/transfer/linear-problem.ts';
import { formatTable } from '../../report/table.ts';
import { choice, type FlagsOf, force, newCommand, option } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { readOptionsOf } from '../format-options.ts';
import { messagesOf, reportBad, skipBad } from '../image-files.ts';
import { untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import { inferenceOptions, modelOptions } from '../model-options.ts';
import { list, positiveInteger } from '../options.ts';
import { printAs, refuseToOverwrite } from '../output.ts';
import { withBars } from '../progress.ts';

const options = {
  model: modelOptions.model,
  ...dataOptions,
  layer: option('<name>', 'layer of the descriptors (default: the last before the class scores, fc7)'),
  scales: option(
    '<list>',
    'scales Q in pixels, such as 256,384,512 (default: the scale at which the model is tested)',
    list(positiveInteger),
  ),
  aggregate: choice(['average', 'stack'], 'how the descriptors of several scales are joined', 'average'),
  classifier: choice(linearKinds, 'what separates each class from the rest', 'svm'),
  labelSeparator: option(
    '<text>',
    "separator of the labels of images that have several, such as ';' for cat;dog (default: one label each)",
  ),
  trainPerClass: option(
    '<n>',
    'draw this many training images of each class at random, and test on others',
    positiveInteger,
  ),
  testPerClass: option('<n>', 'test on at most this many images of each class', positiveInteger),
  splits: option('<n>', 'number of random splits (default: 1)', positiveInteger),
  seed: option('<n>', 'seed of the splits', positiveInteger, '1'),
  out: option('<file>', 'model file to write (.safetensors), with the classifier as its last layer'),
  force,
  skipBad,
  ...inferenceOptions,
};
type Flags = FlagsOf<typeof options>;

/** `vgg transfer`: appendix B. */
export const command = newCommand('transfer', {
  description:
    "Train a linear SVM on a network's features of other images, and measure it (appendix B of the paper).",
  examples: [
    'transfer flowers --model torchvision/vgg16 --out flowers.safetensors',
    'transfer 101_ObjectCategories --model d.safetensors --scales 256,384,512 --aggregate stack --train-per-class 30 --test-per-class 50 --splits 3',
    'transfer VOCdevkit/VOC2007 --model d.safetensors --model e.safetensors --scales 256,384,512,640,768',
  ],
  options,
})
  .argument('<data>', "data set with labels, or PASCAL VOC's folder")
  .action(transfer);

async function transfer(named: string, flags: Flags): Promise<void> {
  const data = dataLocation(named, flags);
  if (data === undefined) throw new UsageError('name the images: vgg transfer FOLDER --model MODEL');
  if (flags.out !== undefined) {
    if (!flags.out.endsWith('.safetensors')) {
      throw new UsageError(`--out ${flags.out} must end in .safetensors; vgg convert writes other formats`);
    }
    refuseToOverwrite(flags.out, flags);
  }
  const read = await readOptionsOf(flags);
  const bad: BadImage[] = [];
  await downloadModels(flags.model);
  const result = await withBars((show) =>
    untilInterrupted((signal) =>
      transferFeatures({
        ...flags,
        models: flags.model,
        data,
        read,
        signal,
        onProgress: (done, total) => show('describing', done, total),
        onBad: flags.skipBad ? (images) => bad.push(...images) : undefined,
      }),
    ),
  );
  printAs({ ...result, bad: messagesOf(bad) }, flags, formatTransfer);
  const [first] = result.splits;
  reportBad(bad, first!.trainingImages + first!.testImages + bad.length, flags, ` of ${data}`);
}

function percent(value: number): string {
  return (100 * value).toFixed(1);
}

function formatTransfer({ layer, scales, splits, split, recall, model }: TransferResult): string {
  const measures = [
    ['accuracy', 'accuracy, %'],
    ['meanClassRecall', 'mean class\nrecall, %'],
    ['elevenPoint', 'mAP (11-point),\n%'],
    ['allPoint', 'mAP (all-point),\n%'],
  ] as const;
  const shown = measures.filter(([key]) => splits[0]?.[key] !== undefined);
  const rows = splits.map((figures) => [
    String(figures.trainingImages),
    String(figures.testImages),
    String(figures.constant),
    ...shown.map(([key]) => {
      const { value, interval } = figures[key]!;
      return `${percent(value)} (${percent(interval[0])} to ${percent(interval[1])})`;
    }),
  ]);
  const lines = [
    `${layer} at Q = ${scales.join(', ')}; test images: ${split}; with 95 % intervals`,
    formatTable(rows, {
      head: ['training\nimages', 'test\nimages', 'C', ...shown.map(([, name]) => name)],
      align: ['right', 'right', 'right', ...shown.map(() => 'right' as const)],
    }),
  ];
  if (recall) {
    lines.push(
      `Mean class recall over ${splits.length} splits: ${percent(recall.mean)} ± ${percent(recall.deviation)} % (standard deviation).`,
    );
  }
  if (model) {
    const accuracy = model.accuracy === undefined ? '' : `; its accuracy is ${percent(model.accuracy)} %`;
    lines.push(`Wrote ${model.path}${accuracy}.`);
  }
  return lines.join('\n');
}
