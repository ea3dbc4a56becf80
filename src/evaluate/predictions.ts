/** What a model said of each image, as JSON lines. */
import type { ImageSource } from '../data/sources/source.ts';
import type { Outcomes } from './outcomes.ts';

/**
 * A line an image, in the source's order:
 * `{"path":"…","label":"tabby","labelIndex":0,"top":[{"index":0,"label":"tabby","probability":0.9},…]}`; label
 * and labelIndex are null where the true class is not known.
 * @param labels the model's names for people
 */
export function* predictionLines(
  outcomes: Outcomes,
  source: ImageSource,
  labels: readonly string[],
): Generator<Buffer, void, undefined> {
  for (const { image, label, top } of outcomes) {
    const line = {
      path: source.imageName(image),
      label: label < 0 ? null : labels[label]!,
      labelIndex: label < 0 ? null : label,
      top: top.map(({ index, probability }) => ({ index, label: labels[index]!, probability })),
    };
    yield Buffer.from(`${JSON.stringify(line)}\n`);
  }
}
