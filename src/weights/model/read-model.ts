import { UserError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import { hasFeaturesOnly } from '../../net/network.ts';
import { openWeights } from '../formats/formats.ts';
import { readSafetensors, type SafetensorsFile } from '../formats/safetensors/reader.ts';
import { checkNames, importModel } from '../import/import-model.ts';
import { checkOwnOptions, type ImportOptions, ownPreprocessing } from '../import/import-options.ts';
import type { ImportReport } from '../import/import-report.ts';
import { withStatedPreprocessing } from '../import/stated-facts.ts';
import { checkFinite, withTidyMessages } from '../weight-errors.ts';
import { checkPredictsClasses, type ModelFacts, parseModelMetadata } from './metadata.ts';
import { checkTensors, type Model, OPTIMIZER_PREFIX } from './model.ts';

export interface ReadModelOptions extends ImportOptions {
  /** Accepts networks without a classifier, which have 0 classes (default false). */
  readonly allowFeatures?: boolean;
  /** Accepts networks that predict boxes (appendix A), whose outputs are not class scores (default false). */
  readonly allowBoxes?: boolean;
}

export type OnProgress = (bytesRead: number, bytesTotal: number) => void;

/**
 * Reads a model, or the model of a checkpoint, from a weight file of any format: safetensors, PyTorch, ONNX, Caffe or
 * Keras, NumPy or MatConvNet (see docs/guides/weights.md).
 *
 * @param path a file or folder, or a name that `localModel` downloads, such as `torchvision/vgg16`
 * @param options facts that files of other frameworks lack, or a function called with the bytes read and the total
 *   (default: nothing)
 *
 * @example
 * const model = await readModel('torchvision/vgg16');
 * const faces = await readModel('faces.caffemodel', { mean: [129.19, 104.76, 93.59], channelOrder: 'bgr' });
 *
 * @throws UserError naming the file, the metadata key or tensor, what was expected, what was found and the remedy.
 */
export async function readModel(path: string, options: ReadModelOptions | OnProgress = {}): Promise<Model> {
  return (await readModelWithReport(path, options)).model;
}

/** Like `readModel`, but also reports how a foreign file's tensors were changed; undefined for our own format. */
export async function readModelWithReport(
  path: string,
  given: ReadModelOptions | OnProgress = {},
): Promise<{ readonly model: Model; readonly report?: ImportReport }> {
  const options: ReadModelOptions = typeof given === 'function' ? { onProgress: given } : given;
  const result: { model: Model; report?: ImportReport } = await withTidyMessages(() => read(path, options));
  for (const remark of result.report?.remarks ?? []) options.onRemark?.(`${path}: ${remark}`);
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
    if (file.format !== 'safetensors' || !isOwn(file.metadata, options))
      return await importModel(file, withStatedPreprocessing(file, options));
    const facts = parseModelMetadata(path, file.metadata);
    if (!options.allowBoxes) checkPredictsClasses(path, facts);
    checkOwnOptions(path, facts, options);
    if (ownPreprocessing(facts, options)) return await importModel(file, options);
    const model = await readOwnModel(file.path, options);
    for (const [name, values] of model.tensors) checkFinite(path, name, values);
    const { classNames } = options;
    if (classNames) checkNames(classNames, facts.network);
    return { model: { ...model, ...classNames } };
  } finally {
    await file.close();
  }
}

/** Our own files are never read as foreign ones: a damaged file is rejected for what it lacks. */
function isOwn(metadata: Readonly<Record<string, string>>, { featuresOnly }: ReadModelOptions): boolean {
  return !featuresOnly && Object.keys(metadata).some((key) => key.startsWith('verydeep.'));
}

/** Reads one of our own files. `placesFor` is called once the header is known to fit the network. */
async function readOwnModel(
  path: string,
  { placesFor, onProgress }: Pick<ImportOptions, 'placesFor' | 'onProgress'>,
): Promise<Model> {
  const file = await readSafetensors(path, {
    select: (name) => !name.startsWith(OPTIMIZER_PREFIX),
    onHeader: ({ entries, metadata }) => {
      const { network } = factsOf(path, metadata, new Map(entries.map((entry) => [entry.name, entry])));
      return placesFor?.(network);
    },
    onProgress,
  });
  return modelFromFile(path, file);
}

/**
 * The model in a file that has been read already, without the optimizer's tensors.
 * @throws UserError naming the file, the key or tensor, what was expected, what was found and the remedy.
 */
export function modelFromFile(path: string, { metadata, tensors }: SafetensorsFile): Model {
  const facts = factsOf(path, metadata, tensors);
  return {
    ...facts,
    tensors: new Map(facts.network.parameters.map(({ name }) => [name, tensors.get(name)!.data])),
  };
}

function factsOf(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, { readonly shape: Shape }>,
): ModelFacts {
  const facts = parseModelMetadata(path, metadata);
  checkTensors(path, facts.network, tensors);
  return facts;
}
