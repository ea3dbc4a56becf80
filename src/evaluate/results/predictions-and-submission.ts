/** The files that an evaluation can write: predictions as JSON lines, and a submission to the ILSVRC server. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { UserError } from '../../core/errors.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import { withLabels } from '../protocol/prediction-maps.ts';
import type { ImageResults } from './image-results.ts';

export interface ResultFileOptions {
  /** File for the predictions: one JSON line for each image (default: none). */
  readonly predictions?: string;
  /** File for a submission to the ILSVRC server: five class numbers of the development kit on each line (default: none). */
  readonly submission?: string;
}

/**
 * Checks that the files can be written, before the hours of work whose results they hold.
 * @throws UserError naming the file whose folder does not exist or is not writable.
 */
export async function checkOutputFolders({ predictions, submission }: ResultFileOptions): Promise<void> {
  for (const path of [predictions, submission]) {
    if (path === undefined) continue;
    try {
      await access(dirname(path), constants.W_OK);
    } catch (error) {
      throw new UserError(
        `${path} cannot be written: its folder does not exist or is not writable; create it or choose another`,
        { cause: error },
      );
    }
  }
}

/**
 * Writes the files that the options name.
 * @param labels the model's display names of the classes
 * @param numbers for each class of the model its number in the development kit (ILSVRC2012_ID), for a submission
 * @throws UserError when a file cannot be written.
 */
export async function writeResultFiles(
  { predictions, submission }: ResultFileOptions,
  results: ImageResults,
  source: ImageSource,
  labels: readonly string[],
  numbers: readonly number[],
): Promise<void> {
  if (predictions) await writeFileAtomically(predictions, predictionLines(results, source, labels));
  if (submission) await writeFileAtomically(submission, submissionLines(results, numbers));
}

/**
 * One line for each image, in the source's order:
 * `{"path":"…","label":"tabby","labelIndex":0,"top":[{"index":0,"label":"tabby","probability":0.9},…]}`. label and
 * labelIndex are null if the true class is unknown.
 */
function* predictionLines(
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
 */
function* submissionLines(
  results: ImageResults,
  numbers: ArrayLike<number>,
): Generator<Buffer, void, undefined> {
  for (const { top } of results) yield Buffer.from(`${top.map(({ index }) => numbers[index]).join(' ')}\n`);
}
