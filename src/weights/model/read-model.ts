import { UserError } from '../../core/errors.ts';
import { openWeights } from '../formats/formats.ts';
import { indexOfNonFinite, notFinite } from '../import/finite.ts';
import { type ImportedModel, importModel } from '../import/import-model.ts';
import type { ImportOptions } from '../import/options.ts';
import { tidily } from '../import/tidy.ts';
import { hasFeaturesOnly } from './features-only.ts';
import { type Model, readOwnModel } from './model-safetensors.ts';

export interface ReadModelOptions extends ImportOptions {
  /** Takes networks without a classifier too, which have 0 classes. */
  readonly allowFeatures?: boolean;
}

export type OnProgress = (bytesRead: number, bytesTotal: number) => void;

/**
 * Reads a model or a checkpoint's model, of our own format or any other (see docs/guides/weights.md).
 * @param options what a foreign file does not say itself, or a function called with bytes read and bytes in all
 * @throws UserError naming the file, the key or tensor, what was expected, what was found and what to do.
 */
export async function readModel(path: string, options: ReadModelOptions | OnProgress = {}): Promise<Model> {
  return (await readModelWithReport(path, options)).model;
}

/** As `readModel`, with what was done to a foreign file's tensors; undefined for our own format. */
export async function readModelWithReport(
  path: string,
  given: ReadModelOptions | OnProgress = {},
): Promise<{ readonly model: Model; readonly report?: ImportedModel['report'] }> {
  const options: ReadModelOptions = typeof given === 'function' ? { onProgress: given } : given;
  const result = await tidily(() => read(path, options));
  if (hasFeaturesOnly(result.model.network) && !options.allowFeatures && !options.featuresOnly) {
    throw new UserError(
      `${path} holds convolutions only, without the fully connected layers that classify; use it with \`vgg features\``,
    );
  }
  return result;
}

async function read(path: string, options: ReadModelOptions) {
  const file = await openWeights(path);
  try {
    if (file.format === 'safetensors' && isOwn(file.metadata, options)) {
      const model = await readOwnModel(path, options);
      checkFinite(path, model);
      return { model };
    }
    return await importModel(file, options);
  } finally {
    await file.close();
  }
}

function checkFinite(path: string, { tensors }: Model): void {
  for (const [name, values] of tensors) {
    const at = indexOfNonFinite(values);
    if (at >= 0) throw notFinite(path, name, values[at]!, at);
  }
}

/** A file of ours is read as it is; a damaged one is refused for what it lacks, and not taken for a foreign one. */
function isOwn(metadata: Readonly<Record<string, string>>, { featuresOnly }: ReadModelOptions): boolean {
  return !featuresOnly && Object.keys(metadata).some((key) => key.startsWith('verydeep.'));
}
