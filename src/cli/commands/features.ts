import { featuresOf } from '../../api/extract-features.ts';
import { UserError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import { type BadImage, badImagesError } from '../../data/sources/bad-images.ts';
import {
  checkFeaturesPath,
  type FeaturesFile,
  filesFor,
  type ImageFeatures,
  writeFeatures,
} from '../../evaluate/features/feature-files.ts';
import { choice, type FlagsOf, force, newCommand, option, required } from '../command.ts';
import { featuresOnly, readOptionsOf } from '../format-options.ts';
import { imagesArgument, imagesOf, messagesOf, reportBad, skipBad } from '../image-files.ts';
import { untilInterrupted } from '../interrupt.ts';
import { downloadModels, MODEL_NAMES } from '../model-downloads.ts';
import { inferenceOptions } from '../model-options.ts';
import { positiveInteger } from '../options.ts';
import { printAs, refuseToOverwrite } from '../output.ts';
import { type Tick, withProgress } from '../progress.ts';

const options = {
  model: required(
    option('<model>', `model file of any format, with or without fully connected layers, or ${MODEL_NAMES}`),
  ),
  layer: required(option('<name>', 'conv1_1 … fc8 (after the ReLU) or pool1 … pool5')),
  out: required(
    option(
      '<file>',
      'file to write: .npy (with labels and paths in .labels.npy and .paths.npy), .safetensors or .jsonl',
    ),
  ),
  force,
  view: choice(
    ['center', 'whole'],
    'center: the center crop; whole: the whole image, which gives larger maps',
    'center',
  ),
  pool: choice(['none', 'mean', 'max'], 'pooling over the positions of a map', 'none'),
  scales: option(
    '<pixels>',
    'test scale Q in pixels (default: the training scale S, or the middle of its range)',
    positiveInteger,
  ),
  batch: option('<n>', 'batch size for center crops (default: 16)', positiveInteger),
  skipBad,
  featuresOnly,
  ...inferenceOptions,
};

/** `vgg features`: activations as features for another classifier. */
export const command = newCommand('features', {
  description: "Write a layer's activations to a file, as features for another classifier (appendix B).",
  examples: [
    'features runs/photos/val/sneaker --model runs/demo/best.safetensors --layer fc7 --out fc7.npy',
    'features photos --model vgg16_notop.h5 --layer pool5 --pool mean --out pool5.jsonl',
    'features a.jpg b.jpg --model torchvision/vgg16 --layer conv5_3 --view whole --scales 384 --out maps.safetensors',
  ],
  options,
})
  .argument('<images...>', imagesArgument)
  .action(features);

type Flags = FlagsOf<typeof options>;

async function features(inputs: string[], flags: Flags): Promise<void> {
  const { model, layer, out } = flags;
  checkFeaturesPath(out);
  for (const file of filesFor(out)) refuseToOverwrite(file, flags);
  const images = await imagesOf(inputs);
  const read = await readOptionsOf(flags);
  await downloadModels([model]);
  const bad: BadImage[] = [];
  const onBad = (image: BadImage) => bad.push(image);
  const file = await untilInterrupted((signal) =>
    withProgress('extracting', images.length, (tick) => {
      const found = featuresOf(images, { ...flags, read, scale: flags.scales, signal, onBad });
      return writeFeatures(out, unlessEmpty(counted(found, tick), bad, images.length), images.length, layer);
    }),
  );
  bad.sort((a, b) => a.index - b.index);
  const isBad = new Set(bad.map(({ index }) => index));
  const inputsUsed = images.filter((_, index) => !isBad.has(index)).map(({ name }) => name);
  printAs({ ...file, layer, model, inputs: inputsUsed, bad: messagesOf(bad) }, flags, () =>
    formatFile(file, flags),
  );
  reportBad(bad, images.length, flags);
}

/** Passes features on. @throws UserError when there are none, so that no file is written */
async function* unlessEmpty(
  features: AsyncIterable<ImageFeatures>,
  bad: readonly BadImage[],
  total: number,
): AsyncGenerator<ImageFeatures> {
  yield* features;
  if (bad.length === total) throw total === 1 ? new UserError(bad[0]!.message) : badImagesError(bad, total);
}

async function* counted(found: AsyncIterable<ImageFeatures>, tick: Tick): AsyncGenerator<ImageFeatures> {
  for await (const one of found) {
    yield one;
    tick();
  }
}

function formatFile(file: FeaturesFile, { layer, view }: Pick<Flags, 'layer' | 'view'>): string {
  const { path, images, shape, scale, classes, pathsFile, labelsFile } = file;
  const what = shape ? `shape ${formatShape(shape)}` : 'one record for each image';
  const views = view === 'center' ? 'center crops' : 'whole images';
  const lines = [`Wrote ${path}: ${layer} of ${images} images (${views} at Q = ${scale}), ${what}.`];
  if (labelsFile)
    lines.push(
      `Wrote ${labelsFile}: the name of each image's class folder (${classes === 1 ? '1 class' : `${classes} classes`}).`,
    );
  if (pathsFile) lines.push(`Wrote ${pathsFile}: the path of each image.`);
  return lines.join('\n');
}
