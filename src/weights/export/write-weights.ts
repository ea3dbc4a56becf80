import { UsageError } from '../../core/errors.ts';
import { formatToWrite, type WritableFormat, writtenExtensions } from '../formats/formats.ts';
import type { FormatName } from '../formats/readers.ts';
import { type ConventionName, describePreprocessing } from '../import/preprocessing.ts';
import type { Model } from '../model/model.ts';
import { exportModel, hasUsualMean, type WriteOptions } from './exported-model.ts';

/** A human-readable account of what was written. */
export interface WriteReport {
  readonly format: FormatName;
  /** All files written: Caffe describes the network in a second file. */
  readonly files: readonly string[];
  /** The preprocessing that the written network expects. */
  readonly preprocessing: string;
  readonly remarks: readonly string[];
}

/** The format for a path's extension. @throws UsageError listing the extensions. */
export function writableFormat(path: string): WritableFormat {
  const format = formatToWrite(path);
  if (format) return format;
  throw new UsageError(
    `${path} must end in one of ${writtenExtensions.join(', ')}: the extension selects the format`,
  );
}

/**
 * Writes a model in the format that the path's extension chooses, whole or not at all. The network follows the
 * format's usual preprocessing convention unless another one is given.
 *
 * @example
 * const { preprocessing } = await writeWeights('vgg-d.pth', await readModel('vgg-d.safetensors'));
 * // 'RGB, (x / 255 − (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)'
 *
 * @throws UsageError for another extension, or options that the format does not have.
 * @throws UserError when the file cannot be written.
 */
export async function writeWeights(
  path: string,
  model: Model,
  options: WriteOptions = {},
): Promise<WriteReport> {
  const format = writableFormat(path);
  const { convention = format.convention, fullyConvolutional } = options;
  if (fullyConvolutional && format.name !== 'onnx') {
    throw new UsageError(
      '--fully-convolutional applies to .onnx only; the other formats store only weights, which are the same in either form',
    );
  }
  if (format.name === 'safetensors' && convention !== 'native') {
    throw new UsageError(
      "verydeep's .safetensors files always use one convention (RGB, 0 to 255, minus the mean); omit --out-convention",
    );
  }
  const exported = exportModel(model, convention);
  const files = await format.write(path, exported, options);
  return {
    format: format.name,
    files,
    preprocessing: describePreprocessing(exported.preprocessing),
    remarks: remarksOf(model, convention),
  };
}

function remarksOf(model: Model, convention: ConventionName): string[] {
  if (hasUsualMean(model, convention)) return [];
  return [
    `the model has its own mean, not the usual one of ${convention}; use it in your preprocessing code`,
  ];
}
