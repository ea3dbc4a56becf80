import { type PackResult, packImages } from '../../api/pack-images.ts';
import { colorProfileModes } from '../../core/image-preparation.ts';
import { formatBytes, formatCount } from '../../report/format.ts';
import { tableOf } from '../../report/table.ts';
import { choice, type FlagsOf, flag, newCommand, option } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { untilInterrupted } from '../interrupt.ts';
import { integer, json, maxPixels, positiveInteger } from '../options.ts';
import { log, printAs } from '../output.ts';
import { withBars } from '../progress.ts';

const options = {
  ...dataOptions,
  scale: option(
    '<pixels>',
    'shrink images to this smaller side, the largest training scale S you will use; smaller images are copied unchanged',
    positiveInteger,
    '512',
  ),
  quality: option('<n>', 'JPEG quality of shrunk images, 1 to 100', integer(1, 100), '95'),
  imagesPerShard: option('<n>', 'images per shard', positiveInteger, '1000'),
  skipBad: flag('skip images that cannot be read, and report how many'),
  colorProfiles: choice(
    colorProfileModes,
    'embedded color profiles of shrunk images: ignore, or convert to sRGB; images that are copied keep theirs',
    'ignore',
  ),
  maxPixels,
  json,
};

/** `vgg pack`: tar shards from any data set. */
export const command = newCommand('pack', {
  description:
    'Pack a data set into tar shards (WebDataset) of images no larger than training needs. Every command can read them.',
  examples: ['pack runs/photos runs/packed --scale 64', 'pack ILSVRC ilsvrc-512 --scale 512 --skip-bad'],
  options,
})
  .argument('<data>', 'data set of any supported kind')
  .argument('<out>', 'folder for the shards; after an interruption, run the same command to continue')
  .action(pack);

async function pack(named: string, out: string, flags: FlagsOf<typeof options>): Promise<void> {
  const data = dataLocation(named, flags);
  const result = await withBars((show) =>
    untilInterrupted((signal) =>
      packImages({
        ...flags,
        data,
        out,
        perShard: flags.imagesPerShard,
        signal,
        onNote: log,
        onProgress: (done, total) => show('packing', done, total),
      }),
    ),
  );
  printAs(result, flags, formatResult);
}

function formatResult({ splits }: PackResult): string {
  return tableOf(splits, [
    ['split', ({ split }) => split],
    ['shards', ({ shards }) => formatCount(shards), 'right'],
    ['images', ({ images }) => formatCount(images), 'right'],
    ['rescaled', ({ rescaled }) => formatCount(rescaled), 'right'],
    ['left out', ({ bad }) => formatCount(bad), 'right'],
    ['size', ({ bytes }) => formatBytes(bytes), 'right'],
  ]);
}
