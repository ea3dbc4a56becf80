import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { extractFeatures } from '../api/extract-features.ts';
import { UsageError, UserError } from '../core/errors.ts';
import { kindOf } from '../core/files.ts';
import { formatShape } from '../core/shape.ts';
import { isImageName } from '../data/pixels/image-formats.ts';
import {
  checkFeaturesPath,
  type FeaturesFile,
  type ImageFeatures,
  writeFeatures,
} from '../evaluate/feature-files.ts';
import type { BackendName, Precision } from '../kernels/backend-options.ts';
import { newCommand } from './command.ts';
import { type ForeignFlags, featuresOnlyOption, readOptionsOf } from './foreign-options.ts';
import { untilInterrupted } from './interrupt.ts';
import { addFormatOptions, maxPixelsOption } from './model-options.ts';
import { backendOption, jsonOption, positiveInteger, precisionOption, threadsOption } from './options.ts';
import { printAs } from './output.ts';
import { type Tick, withProgress } from './progress.ts';

interface Flags extends ForeignFlags {
  readonly model: string;
  readonly layer: string;
  readonly out: string;
  readonly view: 'center' | 'whole';
  readonly pool: 'none' | 'mean' | 'max';
  readonly scales?: number;
  readonly batch?: number;
  readonly maxPixels?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly precision: Precision;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `vgg features`: activations as features for another learner. */
export function featuresCommand(): Command {
  const command = newCommand('features', {
    description: 'Write the activations of a layer, as features for another learner (appendix B).',
    examples: [
      'features photos --model vgg-d.safetensors --layer fc7 --out fc7.npy',
      'features a.jpg b.jpg --model vgg16.pth --layer conv5_3 --view whole --scales 384 --out maps.safetensors',
      'features photos --model vgg16_notop.h5 --layer pool5 --pool mean --out pool5.jsonl',
    ],
  })
    .argument('<images...>', 'JPEG, PNG or WebP files, or folders of them')
    .requiredOption('--model <file>', 'weight file of any format; the convolutional layers are enough')
    .requiredOption('--layer <name>', 'conv1_1 … fc8, after the ReLU, or pool1 … pool5')
    .requiredOption('--out <file>', 'file to write: .npy, .safetensors or .jsonl')
    .addOption(
      new Option('--view <name>', 'center: the center crop; whole: the whole image, which gives larger maps')
        .choices(['center', 'whole'])
        .default('center'),
    )
    .addOption(
      new Option('--pool <name>', 'pooling over the positions of a map')
        .choices(['none', 'mean', 'max'])
        .default('none'),
    )
    .option(
      '--scales <pixels>',
      'smaller side Q of the rescaled image (default: the training scale S, or the middle of its range)',
      positiveInteger,
    )
    .option('--batch <n>', 'center crops in a batch (default: 16)', positiveInteger)
    .addOption(maxPixelsOption())
    .option('--force', 'overwrite an existing file')
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(jsonOption());
  return addFormatOptions(command.addOption(featuresOnlyOption())).action(features);
}

async function features(inputs: string[], flags: Flags): Promise<void> {
  const { model, layer, out } = flags;
  checkFeaturesPath(out);
  if (existsSync(out) && !flags.force) {
    throw new UserError(`${out} already exists; choose another --out, or overwrite it with --force`);
  }
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
