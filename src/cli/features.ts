import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { extractFeatures, type ImageFeatures } from '../api/extract-features.ts';
import { checkFeaturesPath, type FeaturesFile, writeFeatures } from '../evaluate/feature-files.ts';
import { UsageError, UserError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import { isImageName } from '../data/sources/split-names.ts';
import type { BackendName } from '../kernels/registry.ts';
import { newCommand } from './command.ts';
import {
  addForeignOptions,
  type ForeignFlags,
  featuresOnlyOption,
  readOptionsOf,
} from './foreign-options.ts';
import { untilInterrupted } from './interrupt.ts';
import { backendOption, jsonOption, positiveInteger, threadsOption } from './options.ts';
import { printAs } from './output.ts';
import { type Tick, withProgress } from './progress.ts';

interface Flags extends ForeignFlags {
  readonly model: string;
  readonly layer: string;
  readonly out: string;
  readonly view: 'center' | 'whole';
  readonly pool: 'none' | 'mean' | 'max';
  readonly scales?: number;
  readonly batch: number;
  readonly maxPixels?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `vgg features`: activations for another learner to use. */
export function featuresCommand(): Command {
  const command = newCommand('features', {
    description: 'Write the activations of a layer for images, to learn something else from them.',
    examples: [
      'features photos --model vgg-d.safetensors --layer fc7 --out fc7.npy',
      'features a.jpg b.jpg --model vgg16.pth --layer conv5_3 --view whole --scales 384 --out maps.safetensors',
      'features photos --model vgg16_notop.h5 --layer pool5 --pool mean --out pool5.jsonl',
    ],
  })
    .argument('<images...>', 'JPEG, PNG or WebP files, or folders of them')
    .requiredOption('--model <file>', 'weight file of any format; the convolutions alone are enough')
    .requiredOption('--layer <name>', 'conv1_1 … fc8, behind its ReLU, or pool1 … pool5')
    .requiredOption('--out <file>', 'where to write: .npy, .safetensors or .jsonl')
    .addOption(
      new Option(
        '--view <name>',
        'center: the centre crop; whole: all of the image, which gives a larger map',
      )
        .choices(['center', 'whole'])
        .default('center'),
    )
    .addOption(
      new Option('--pool <name>', "over the map's positions")
        .choices(['none', 'mean', 'max'])
        .default('none'),
    )
    .option(
      '--scales <pixels>',
      'smaller side Q (default: what belongs to the training scale)',
      positiveInteger,
    )
    .option('--batch <n>', 'centre crops computed at once', positiveInteger, 16)
    .option('--max-pixels <n>', 'images of more pixels are refused (default: 100 million)', positiveInteger)
    .option('--force', 'replace a file that is there')
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(jsonOption());
  return addForeignOptions(command).addOption(featuresOnlyOption()).action(features);
}

async function features(inputs: string[], flags: Flags): Promise<void> {
  const { model, layer, out, view, pool, batch, backend, threads, scales, maxPixels } = flags;
  checkFeaturesPath(out);
  if (existsSync(out) && !flags.force) {
    throw new UserError(`${out} is there already; choose another --out, or --force to replace it`);
  }
  const images = await imageFiles(inputs);
  const read = await readOptionsOf(flags);
  const file = await untilInterrupted((signal) =>
    withProgress('extracting', images.length, (tick) => {
      const found = extractFeatures({
        model,
        read,
        images,
        layer,
        view,
        pool,
        batch,
        backend,
        signal,
        threads,
        ...(scales !== undefined && { scale: scales }),
        maxPixels,
      });
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

/** Files as they are, folders as the images in them, by name. */
async function imageFiles(inputs: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const input of inputs) {
    const isFolder = await stat(input).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) files.push(input);
    else
      files.push(
        ...(await readdir(input))
          .filter(isImageName)
          .sort()
          .map((name) => join(input, name)),
      );
  }
  if (files.length === 0) throw new UsageError(`there are no images in ${inputs.join(', ')}`);
  return files;
}

function formatFile({ path, images, shape }: FeaturesFile, layer: string): string {
  const what = shape ? formatShape(shape) : 'maps of several sizes, or one an image';
  return `Wrote ${path}: ${layer} of ${images} images, ${what}.`;
}
