import { extname } from 'node:path';
import { UsageError } from '../../core/errors.ts';
import { writeCaffe } from '../formats/caffe/writer.ts';
import { writeKeras } from '../formats/keras/writer.ts';
import { writeOnnx } from '../formats/onnx/writer.ts';
import { writePytorch } from '../formats/pytorch/writer.ts';
import type { FormatName } from '../formats/weight-file.ts';
import type { ConventionName } from '../import/preprocessing.ts';
import { describePreprocessing } from '../import/preprocessing.ts';
import { type Model, writeModel } from '../model/model-safetensors.ts';
import { type ExportedModel, exportModel, hasUsualMean, preprocessingOf } from './exported.ts';

export interface WriteOptions {
  /** What the written network shall take (default: the convention of the format). */
  readonly convention?: ConventionName;
  /** ONNX: any height and width, and a map of scores, instead of the crop. */
  readonly fullyConvolutional?: boolean;
}

/** What was written, for people. */
export interface WriteReport {
  readonly format: FormatName;
  /** All files written: a network's description may stand beside its weights. */
  readonly files: readonly string[];
  /** What the written network takes. */
  readonly preprocessing: string;
  readonly remarks: readonly string[];
}

interface Writer {
  readonly convention: ConventionName;
  /** @returns the files written */
  write(path: string, exported: ExportedModel, options: WriteOptions): Promise<readonly string[]>;
}

const writers: Readonly<Record<string, { readonly format: FormatName; readonly writer?: Writer }>> = {
  '.safetensors': { format: 'safetensors' },
  '.pth': { format: 'pytorch', writer: single('torchvision', writePytorch) },
  '.pt': { format: 'pytorch', writer: single('torchvision', writePytorch) },
  '.onnx': { format: 'onnx', writer: single('native', writeOnnx) },
  '.caffemodel': { format: 'caffe', writer: { convention: 'caffe', write: writeCaffe } },
  '.h5': { format: 'keras', writer: single('keras', writeKeras) },
};

function single(
  convention: ConventionName,
  write: (path: string, exported: ExportedModel, options: WriteOptions) => Promise<void>,
): Writer {
  return {
    convention,
    async write(path, exported, options) {
      await write(path, exported, options);
      return [path];
    },
  };
}

/** @throws UsageError naming the extensions there are. */
export function writableFormat(path: string): FormatName {
  const found = writers[extname(path).toLowerCase()];
  if (found) return found.format;
  throw new UsageError(
    `${path} should end in one of ${Object.keys(writers).join(', ')}, which says what to write`,
  );
}

/**
 * Writes a model in the format that the path's extension says, whole or not at all.
 * @throws UsageError for another extension, or options that the format does not have.
 * @throws UserError when the file cannot be written.
 */
export async function writeWeights(
  path: string,
  model: Model,
  options: WriteOptions = {},
): Promise<WriteReport> {
  const format = writableFormat(path);
  const { writer } = writers[extname(path).toLowerCase()]!;
  if (options.fullyConvolutional && format !== 'onnx') {
    throw new UsageError(
      '--fully-convolutional is for .onnx; the other formats hold weights, which fit both',
    );
  }
  if (!writer) {
    if (options.convention !== undefined && options.convention !== 'native') {
      throw new UsageError(
        'a .safetensors file of verydeep has one convention: RGB, 0 to 255, minus the mean',
      );
    }
    await writeModel(path, model);
    return {
      format,
      files: [path],
      preprocessing: describePreprocessing(preprocessingOf(model, 'native')),
      remarks: [],
    };
  }
  const convention = options.convention ?? writer.convention;
  const exported = exportModel(model, convention);
  const files = await writer.write(path, exported, options);
  return {
    format,
    files,
    preprocessing: describePreprocessing(exported.preprocessing),
    remarks: remarksOf(model, convention),
  };
}

function remarksOf(model: Model, convention: ConventionName): string[] {
  if (hasUsualMean(model, convention)) return [];
  return [`the mean is the model's own, not ${convention}'s usual one: give the preprocessing code this one`];
}
