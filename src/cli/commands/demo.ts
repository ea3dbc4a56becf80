import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { evaluateModel } from '../../api/evaluate-model.ts';
import type { TrainOutcome } from '../../api/run-training.ts';
import { trainNetwork } from '../../api/train-network.ts';
import { InterruptedError, UserError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { projectFolder } from '../../core/project.ts';
import { decodeStored } from '../../data/pixels/decode.ts';
import { openImages } from '../../data/sources/open-images.ts';
import type { EvaluationResult } from '../../evaluate/results/error-rates.ts';
import { formatCount, formatDuration, formatPercent } from '../../report/format.ts';
import { tableOf } from '../../report/table.ts';
import type { PartialRecipe, Recipe } from '../../train/recipe.ts';
import { readRecipeFile } from '../../train/recipe-file.ts';
import { resolveRecipe } from '../../train/resolve-recipe.ts';
import { type FlagsOf, newCommand, option } from '../command.ts';
import { SAVING, untilInterrupted } from '../interrupt.ts';
import { log, printResult } from '../output.ts';
import { FASHION_MNIST, FASHION_MNIST_PART, findFashionMnist } from './fashion-mnist.ts';
import { newRunFolder } from './run-names.ts';
import { TrainingDisplay } from './training-display.ts';

const options = {
  data: option(
    '<folder>',
    `folder with Fashion-MNIST's four IDX files (default: ${FASHION_MNIST} if it exists, otherwise the part of them that comes with verydeep)`,
  ),
  out: option('<folder>', 'run folder (default: runs/demo, or runs/demo-2 and so on if it exists)'),
};

/** `vgg demo`: trains a network on real images in a few minutes. */
export const command = newCommand('demo', {
  description: 'Train a first network: configuration A on Fashion-MNIST, in a few minutes.',
  examples: ['demo', 'demo --data fashion-mnist --out runs/first'],
  options,
}).action(demo);

async function demo({ data: given, out = newRunFolder('demo') }: FlagsOf<typeof options>): Promise<void> {
  const data = given ?? findFashionMnist();
  if (!existsSync(data)) {
    throw new UserError(
      `${data} does not exist: omit --data, or download the four files ` +
        '(train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz) ' +
        'from https://github.com/zalandoresearch/fashion-mnist into a folder and pass it with --data',
    );
  }
  const isPart = data === FASHION_MNIST_PART;
  const file = join(projectFolder, 'recipes', 'demo.yaml');
  const recipe = resolveRecipe({ ...(await readRecipeFile(file)), ...(isPart && FOR_FEW_IMAGES) }, file);
  log(
    `Training configuration ${recipe.config} of the paper on ${isPart ? PART : 'Fashion-MNIST: 60,000 photographs of clothes in 10 classes'}.`,
  );
  const display = new TrainingDisplay();
  const outcome = await untilInterrupted(
    (signal) => trainNetwork({ data, out, recipe, listener: display, signal }),
    SAVING,
  ).finally(() => display.stop());
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(`stopped; continue with: npx verydeep train --out ${out} --resume`);
  }
  // By center crops, as the validations were.
  const tested = await evaluateModel({ data, split: 'test', model: outcome.lastModel, protocol: 'center' });
  const photos = await writePhotos(data, dirname(out));
  printResult(formatDemo(outcome, tested, recipe, { data, photos }));
}

const PART = 'a part of Fashion-MNIST: 2,000 of its 60,000 photographs of clothes in 10 classes';

/** With a thirtieth of the images, a fifth of the steps. */
const FOR_FEW_IMAGES: PartialRecipe = { epochs: 42, 'lr-drop-at': '30e,37e' };

/** Images per class that are written as PNG files: enough to train a small network. */
const PHOTOS = { train: 100, val: 20 } as const;

/**
 * Writes some of the images as users would keep their own: `train/<class>/<number>.png` and `val/…`. The README and
 * the tutorials use this folder.
 * @returns the folder; an existing one is kept as it is
 */
async function writePhotos(data: string, parent: string): Promise<string> {
  const folder = join(parent, 'photos');
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.partial`;
  for (const split of ['train', 'val'] as const) await writeSplit(data, split, join(unfinished, split));
  await rename(unfinished, folder);
  return folder;
}

async function writeSplit(data: string, split: keyof typeof PHOTOS, folder: string): Promise<void> {
  const source = await openImages(data, { split });
  const written = source.classes.map(() => 0);
  for (let index = 0; written.some((count) => count < PHOTOS[split]) && index < source.length; index++) {
    const label = source.label(index);
    if (written[label]! >= PHOTOS[split]) continue;
    const { width, height, pixels } = await decodeStored(await source.read(index), source.imageName(index));
    const number = ++written[label]!;
    const path = join(folder, folderName(source.labels[label]!), `${String(number).padStart(4, '0')}.png`);
    await makeFolder(dirname(path));
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(path);
  }
}

/** `T-shirt/top` → `t-shirt-top` */
function folderName(label: string): string {
  return label.toLowerCase().replace(/[^a-z]+/g, '-');
}

function formatDemo(
  { run, seconds, iterations }: TrainOutcome,
  tested: EvaluationResult,
  recipe: Recipe,
  { data, photos }: { readonly data: string; readonly photos: string },
): string {
  const table = tableOf(
    [tested],
    [
      ['network', () => recipe.config],
      ['width', () => String(recipe.width), 'right'],
      ['iterations', () => formatCount(iterations), 'right'],
      ['training', () => formatDuration(seconds), 'right'],
      ['test images', ({ images }) => formatCount(images), 'right'],
      ['top-1 error %', ({ top1Error }) => formatPercent(top1Error), 'right'],
      ['top-5 error %', ({ top5Error }) => formatPercent(top5Error), 'right'],
      ['protocol', () => 'center, last model'],
    ],
  );
  const model = join(run, 'best.safetensors');
  const note =
    data === FASHION_MNIST_PART
      ? `\nTrained on ${PART},\nand tested on 1,000 of its 10,000 test images. Where the whole of it is installed (Debian: dataset-fashion-mnist), the demo\nuses that and reaches about 9 % top-1 error.\n`
      : '';
  return `${table}
${note}
${run} holds the run: recipe, metrics, checkpoints and models. ${photos} holds ${formatCount(10 * (PHOTOS.train + PHOTOS.val))} of the images as
files, one folder per class, as your own photos could be. Try next:

  npx verydeep predict ${join(photos, 'val/sneaker')}/*.png --model ${model}
  npx verydeep evaluate ${data} --model ${model} --split test
  npx verydeep report ${run} --out ${join(dirname(run), 'report.html')}
  npx verydeep serve --model ${model}
  npx verydeep train ${photos} --out ${join(dirname(run), 'mine')}
`;
}
