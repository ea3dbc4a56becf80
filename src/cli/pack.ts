import type { Command } from 'commander';
import { type PackResult, packImages } from '../api/pack-images.ts';
import { formatBytes, formatCount } from '../report/format.ts';
import { formatTable } from '../report/table.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { integer, jsonOption, positiveInteger } from './options.ts';
import { log, printAs } from './output.ts';
import { ProgressBar } from './progress.ts';

interface Flags {
  readonly scale: number;
  readonly quality: number;
  readonly imagesPerShard: number;
  readonly skipBad?: boolean;
  readonly maxPixels?: number;
  readonly json?: boolean;
}

/** `vgg pack`: tar shards from any data set. */
export function packCommand(): Command {
  return newCommand('pack', {
    description:
      'Pack a data set into tar shards (WebDataset) of images no larger than training needs. All commands read them.',
    examples: ['pack ILSVRC ilsvrc-512 --scale 512', 'pack runs/photos runs/packed --scale 64 --skip-bad'],
  })
    .argument('<data>', 'data set of any supported kind')
    .argument('<out>', 'folder for the shards; after an interruption, run the same command to continue')
    .option(
      '--scale <pixels>',
      'shrink images to this smaller side, the largest training scale S to come; smaller images are copied unchanged',
      positiveInteger,
      512,
    )
    .option('--quality <n>', 'JPEG quality of shrunk images, 1 to 100', integer(1, 100), 95)
    .option('--images-per-shard <n>', 'images per shard', positiveInteger, 1000)
    .option('--skip-bad', 'leave out images that cannot be read, and report their number')
    .option('--max-pixels <n>', 'refuse images with more pixels (default: 100 million)', positiveInteger)
    .addOption(jsonOption())
    .action(pack);
}

async function pack(data: string, out: string, flags: Flags): Promise<void> {
  const { scale, quality, imagesPerShard: perShard, skipBad, maxPixels } = flags;
  let bar: ProgressBar | undefined;
  try {
    const result = await untilInterrupted((signal) =>
      packImages({
        data,
        out,
        scale,
        quality,
        perShard,
        signal,
        skipBad,
        maxPixels,
        onNote: log,
        onProgress: (done, total) => {
          bar ??= new ProgressBar('packing', total, { done: done - 1 });
          bar.update(done);
        },
      }),
    );
    bar?.stop();
    printAs(result, flags, formatResult);
  } finally {
    bar?.stop();
  }
}

function formatResult({ splits }: PackResult): string {
  return formatTable(
    splits.map(({ split, shards, images, rescaled, bad, bytes }) => [
      split,
      formatCount(shards),
      formatCount(images),
      formatCount(rescaled),
      formatCount(bad),
      formatBytes(bytes),
    ]),
    {
      head: ['split', 'shards', 'images', 'rescaled', 'left out', 'size'],
      align: ['left', 'right', 'right', 'right', 'right', 'right'],
    },
  );
}
