/** The files that an evaluation of boxes can write: predictions as JSON lines, and a submission to the ILSVRC server. */
import { writeFileAtomically } from '../../core/atomic-file.ts';
import type { Box } from '../../core/boxes.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import type { ResultFileOptions } from '../results/predictions-and-submission.ts';

export interface LocalizedImage {
  /** Number of the image in its source. */
  readonly image: number;
  /** The model's number of the true class. */
  readonly label: number;
  /** Best first; probabilities only where classes were predicted. */
  readonly top: readonly { readonly index: number; readonly probability?: number; readonly box: Box }[];
}

/**
 * Writes the files that the options name.
 * @param images in the source's order
 * @param labels the model's display names
 * @param numbers for each class its number in the development kit, for a submission
 */
export async function writeLocalizations(
  { predictions, submission }: ResultFileOptions,
  source: ImageSource,
  images: readonly LocalizedImage[],
  labels: readonly string[],
  numbers: readonly number[],
): Promise<void> {
  if (predictions) await writeFileAtomically(predictions, predictionLines(source, images, labels));
  if (submission) await writeFileAtomically(submission, submissionLines(images, numbers));
}

/**
 * `{"path":"…","label":"tabby","labelIndex":0,"top":[{"index":0,"label":"tabby","probability":0.9,"box":{"left":1,"top":2,
 * "right":30,"bottom":40}},…]}`, a line for each image. Edges are distances in pixels of the image as stored.
 */
function* predictionLines(
  source: ImageSource,
  images: readonly LocalizedImage[],
  labels: readonly string[],
): Generator<Buffer, void, undefined> {
  for (const { image, label, top } of images) {
    const line = {
      path: source.imageName(image),
      label: labels[label]!,
      labelIndex: label,
      top: top.map(({ index, probability, box }) => ({ index, label: labels[index]!, probability, box })),
    };
    yield Buffer.from(`${JSON.stringify(line)}\n`);
  }
}

/**
 * The format of the ILSVRC evaluation server for localization: on each line five times a class number and xmin, ymin, xmax
 * and ymax, the numbers of the first and the last pixels; images in file order.
 */
function* submissionLines(
  images: readonly LocalizedImage[],
  numbers: readonly number[],
): Generator<Buffer, void, undefined> {
  for (const { top } of images) {
    const guesses = top.map(({ index, box }) => [numbers[index], ...cornersOf(box)].join(' '));
    yield Buffer.from(`${guesses.join(' ')}\n`);
  }
}

function cornersOf({ left, top, right, bottom }: Box): number[] {
  const first = [Math.round(left), Math.round(top)] as const;
  return [...first, Math.max(first[0], Math.round(right) - 1), Math.max(first[1], Math.round(bottom) - 1)];
}
