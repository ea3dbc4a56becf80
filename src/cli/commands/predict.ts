import { Classifier, type ImagePrediction } from '../../api/classifier.ts';
import { prefetch } from '../../core/concurrency.ts';
import { printable, UsageError, UserError } from '../../core/errors.ts';
import { type BadImage, badImagesError } from '../../data/sources/bad-images.ts';
import { testNote } from '../../evaluate/inference/shared-preparation.ts';
import { formatPercent } from '../../report/format.ts';
import { formatTable } from '../../report/table.ts';
import { type FlagsOf, flag, newCommand, option } from '../command.ts';
import { readOptionsOf } from '../format-options.ts';
import { imagesArgument, imagesOf, messagesOf, reportBad, skipBad } from '../image-files.ts';
import { downloadModels } from '../model-downloads.ts';
import { localizer, modelOptions } from '../model-options.ts';
import { positiveInteger } from '../options.ts';
import { log, printJson, printResult } from '../output.ts';
import { withProgress } from '../progress.ts';

const { model, ...others } = modelOptions;
const options = {
  model,
  localizer,
  top: option('<n>', 'number of classes to print', positiveInteger, '5'),
  all: flag('with --json: print the posteriors of all classes'),
  skipBad,
  ...others,
};
type Flags = FlagsOf<typeof options>;

/** `vgg predict`: classify images. */
export const command = newCommand('predict', {
  description: "Classify images with the paper's protocols (section 3.2).",
  examples: [
    'predict cat.jpg --model torchvision/vgg16',
    'predict runs/photos/val/sneaker/*.png --model runs/demo/best.safetensors',
    'predict cat.jpg dog.jpg --model vgg-d.safetensors --protocol center --json',
    'predict photos "more/*.jpg" https://example.org/cat.jpg --model vgg-d.safetensors',
    'predict - --model vgg-d.safetensors < cat.jpg',
    'predict cat.jpg --model vgg-d.safetensors --localizer boxes.safetensors',
  ],
  options,
})
  .argument('<images...>', imagesArgument)
  .action(predict);

interface Named extends ImagePrediction {
  readonly path: string;
}

async function predict(inputs: string[], flags: Flags): Promise<void> {
  const images = await imagesOf(inputs);
  const bad: BadImage[] = [];
  const options = { ...flags, read: await readOptionsOf(flags) };
  await downloadModels([...flags.model, ...(flags.localizer ?? [])]);
  const classifier = await Classifier.open(flags.model, { ...options, localizers: flags.localizer });
  const note = testNote(flags.model[0]!, classifier.model);
  if (note !== undefined && flags.protocol === undefined && flags.scales === undefined) log(note);
  try {
    const predictions = await withProgress('predicting', images.length, async (tick) => {
      const done: Named[] = [];
      // Decodes the next image while one is classified.
      const predicted = prefetch(images.entries(), 2, async ([index, image]) => {
        try {
          const file = new File([await image.read()], image.name);
          return { path: image.name, ...(await classifier.predict(file, options)) };
        } catch (error) {
          if (!(error instanceof UserError) || error instanceof UsageError || images.length === 1)
            throw error;
          bad.push({ index, message: error.message });
          return undefined;
        }
      });
      for await (const one of predicted) {
        if (one !== undefined) done.push(one);
        tick();
      }
      if (done.length === 0) throw badImagesError(bad, images.length);
      return done;
    });
    bad.sort((a, b) => a.index - b.index);
    if (flags.json) printJson({ images: predictions.map((one) => jsonOf(one, flags)), bad: messagesOf(bad) });
    else printResult(formatPredictions(predictions));
    reportBad(bad, images.length, flags);
  } finally {
    classifier.close();
  }
}

function jsonOf({ path, top, posteriors }: Named, { all }: Flags) {
  return { path, top, posteriors: all ? [...posteriors] : undefined };
}

/** Edges as distances from the left and the top, in whole pixels: `12,30 to 200,180`. */
function formatBox({ left, top, right, bottom }: NonNullable<Named['top'][number]['box']>): string {
  return `${Math.round(left)},${Math.round(top)} to ${Math.round(right)},${Math.round(bottom)}`;
}

function formatPredictions(predictions: readonly Named[]): string {
  const hasBoxes = predictions.some(({ top }) => top[0]?.box);
  return formatTable(
    predictions.flatMap(({ path, top }) =>
      top.map(({ label, probability, box }, rank) => [
        rank === 0 ? printable(path) : '',
        label,
        formatPercent(probability),
        ...(box ? [formatBox(box)] : []),
      ]),
    ),
    {
      head: ['image', 'class', 'probability %', ...(hasBoxes ? ['box, px'] : [])],
      align: ['left', 'left', 'right', ...(hasBoxes ? (['right'] as const) : [])],
    },
  );
}
