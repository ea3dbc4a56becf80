import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { extractFeatures } from '../../api/extract-features.ts';
import { UsageError } from '../../core/errors.ts';
import { kindOf } from '../../core/files.ts';
import { formatShape } from '../../core/shape.ts';
import { isImageName } from '../../data/pixels/image-formats.ts';
import {
  checkFeaturesPath,
  type FeaturesFile,
  type ImageFeatures,
  writeFeatures,
} from '../../evaluate/features/feature-files.ts';
import { choice, type FlagsOf, newCommand, option, required } from '../command.ts';
import { featuresOnly, readOptionsOf } from '../format-options.ts';
import { untilInterrupted } from '../interrupt.ts';
import { inferenceOptions } from '../model-options.ts';
import { force, positiveInteger } from '../options.ts';
import { printAs, refuseToOverwrite } from '../output.ts';
import { type Tick, withProgress } from '../progress.ts';

const options = {
  model: required(option('<file>', 'model file of any format, with or without fully connected layers')),
  layer: required(option('<name>', 'conv1_1 … fc8 (after the ReLU) or pool1 … pool5')),
  out: required(option('<file>', 'file to write: .npy, .safetensors or .jsonl')),
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
  featuresOnly,
  ...inferenceOptions,
};

/** `vgg features`: activations as features for another classifier. */
export const command = newCommand('features', {
  description: "Write a layer's activations to a file, as features for another classifier (appendix B).",
  examples: [
    'features runs/photos/val/sneaker --model runs/demo/best.safetensors --layer fc7 --out fc7.npy',
    'features photos --model vgg16_notop.h5 --layer pool5 --pool mean --out pool5.jsonl',
    'features a.jpg b.jpg --model vgg16.pth --layer conv5_3 --view whole --scales 384 --out maps.safetensors',
  ],
  options,
})
  .argument('<images...>', 'JPEG, PNG or WebP files, or folders of them')
  .action(features);

async function features(inputs: string[], flags: FlagsOf<typeof options>): Promise<void> {
  const { model, layer, out } = flags;
  checkFeaturesPath(out);
  refuseToOverwrite(out, flags);
  const images = await imageFiles(inputs);
  const read = await readOptionsOf(flags);
  const file = await untilInterrupted((signal) =>
    withProgress('extracting', images.length, (tick) => {
      const found = extractFeatures({ ...flags, images, read, scale: flags.scales, signal });
      return writeFeatures(out, counted(found, tick), images.length, layer);
    }),
  );
  printAs({ ...file, layer, model, inputs: images }, flags, () => formatFile(file, layer));
}

async function* counted(found: AsyncIterable<ImageFeatures>, tick: Tick): AsyncGenerator<ImageFeatures> {
  for await (const one of found) {
    yield one;
    tick();
  }
}

/** Replaces folders by the images in them, sorted by name. */
async function imageFiles(inputs: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const input of inputs) {
    if ((await kindOf(input)) !== 'folder') {
      files.push(input);
      continue;
    }
    const names = (await readdir(input)).filter(isImageName).sort();
    files.push(...names.map((name) => join(input, name)));
  }
  if (files.length === 0) throw new UsageError(`there are no images in ${inputs.join(', ')}`);
  return files;
}

function formatFile({ path, images, shape }: FeaturesFile, layer: string): string {
  const what = shape ? `shape ${formatShape(shape)}` : 'one record for each image';
  return `Wrote ${path}: ${layer} of ${images} images, ${what}.`;
}
