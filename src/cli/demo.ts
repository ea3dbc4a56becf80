import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import sharp from 'sharp';
import { type TrainOutcome, trainNetwork } from '../api/train-network.ts';
import { InterruptedError, UserError } from '../core/errors.ts';
import { projectFolder } from '../core/project.ts';
import { openImages } from '../data/sources/open-images.ts';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatTable } from '../report/table.ts';
import { type Recipe, resolveRecipe } from '../train/recipe.ts';
import { readRecipeFile } from '../train/recipe-file.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { log, printResult } from './output.ts';
import { TrainingDisplay } from './training-display.ts';

/** Where Debian's package dataset-fashion-mnist puts its files. */
export const FASHION_MNIST = '/usr/share/datasets/fashion-mnist';

interface Flags {
  readonly data: string;
  readonly out?: string;
}

/** `vgg demo`: the main job on real images, in a few minutes. */
export function demoCommand(): Command {
  return newCommand('demo', {
    description: 'Train configuration A on Fashion-MNIST, as a first look (a few minutes).',
    examples: ['demo', 'demo --data fashion-mnist --out runs/first'],
  })
    .option('--data <folder>', "folder with Fashion-MNIST's four IDX files", FASHION_MNIST)
    .option('--out <folder>', 'run folder (default: a new one under runs)')
    .action(demo);
}

async function demo({ data, out = nextRunFolder() }: Flags): Promise<void> {
  if (!existsSync(data)) {
    throw new UserError(
      `there is no ${data}: install Debian's package dataset-fashion-mnist, or put the four files ` +
        '(train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz) ' +
        'of https://github.com/zalandoresearch/fashion-mnist into a folder and name it with --data',
    );
  }
  const file = join(projectFolder, 'recipes', 'demo.yaml');
  const recipe = resolveRecipe(await readRecipeFile(file), file);
  log(
    `Training configuration ${recipe.config} of the paper on Fashion-MNIST: 60,000 photographs of clothes in 10 classes.`,
  );
  const display = new TrainingDisplay();
  let outcome: TrainOutcome;
  try {
    outcome = await untilInterrupted((signal) =>
      trainNetwork({ data, out, recipe, listener: display, signal }),
    );
  } finally {
    display.stop();
  }
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(`stopped; go on with: npx vgg train --out ${out} --resume`);
  }
  await writeSamples(data, join(out, 'samples'));
  printResult(formatDemo(outcome, recipe, data));
}

function nextRunFolder(): string {
  for (let number = 1; ; number++) {
    const path = join('runs', number === 1 ? 'demo' : `demo-${number}`);
    if (!existsSync(path)) return path;
  }
}

/** How many test images are written as files, for `vgg predict` to look at. */
const SAMPLES = 5;

async function writeSamples(data: string, folder: string): Promise<void> {
  const source = await openImages(data, { split: 'test' });
  await mkdir(folder, { recursive: true });
  for (let index = 0; index < SAMPLES; index++) {
    const stored = await source.read(index);
    if (stored.kind !== 'pixels') continue;
    const { width, height, pixels } = stored.image;
    const label = source.labels[source.label(index)]!.toLowerCase().replace(/[^a-z]+/g, '-');
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(folder, `${index + 1}-${label}.png`));
  }
}

function formatDemo(
  { run, seconds, iterations, last, lastModel }: TrainOutcome,
  recipe: Recipe,
  data: string,
): string {
  if (!last) throw new Error('the demo ended without a validation');
  const table = formatTable(
    [
      [
        recipe.config,
        String(recipe.width),
        formatCount(iterations),
        formatDuration(seconds),
        formatCount(last.images),
        formatPercent(last.top1Error),
        formatPercent(last.top5Error),
      ],
    ],
    {
      head: ['network', 'width', 'iterations', 'training', 'test images', 'top-1 error %', 'top-5 error %'],
      align: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    },
  );
  return `${table}

The run is in ${run}: recipe, metrics, checkpoints, model. Try next:

  npx vgg serve --model ${join(run, 'best.safetensors')}
  npx vgg predict ${join(run, 'samples')}/*.png --model ${lastModel}
  npx vgg evaluate ${data} --model ${lastModel} --scales 32
  npx vgg configs --layers ${recipe.config} --crop ${recipe.crop} --width ${recipe.width} --classes 10
`;
}
