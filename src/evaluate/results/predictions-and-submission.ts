/** The files that an evaluation can write: predictions as JSON lines, and a submission to the ILSVRC server. */
import type { ImageSource } from '../../data/sources/image-source.ts';
import { withLabels } from '../protocol/prediction-maps.ts';
import type { ImageResults } from './image-results.ts';

/**
 * One line for each image, in the source's order:
 * `{"path":"…","label":"tabby","labelIndex":0,"top":[{"index":0,"label":"tabby","probability":0.9},…]}`. label and
 * labelIndex are null if the true class is unknown.
 * @param labels the model's labels for people
 */
export function* predictionLines(
  results: ImageResults,
  source: ImageSource,
  labels: readonly string[],
): Generator<Buffer, void, undefined> {
  for (const { image, label, top } of results) {
    const line = {
      path: source.imageName(image),
      label: label < 0 ? null : labels[label]!,
      labelIndex: label < 0 ? null : label,
      top: withLabels(top, labels),
    };
    yield Buffer.from(`${JSON.stringify(line)}\n`);
  }
}

/**
 * The format of the ILSVRC evaluation server: five class numbers on each line, best first, images in file order.
 * @param numbers for each class of the model its number in the development kit (ILSVRC2012_ID)
 */
export function* submissionLines(
  results: ImageResults,
  numbers: ArrayLike<number>,
): Generator<Buffer, void, undefined> {
  for (const { top } of results) yield Buffer.from(`${top.map(({ index }) => numbers[index]).join(' ')}\n`);
}
