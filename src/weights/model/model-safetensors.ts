/** Models in files of our own format. */
import { writeFileAtomically } from '../../core/atomic-file.ts';
import type { Shape } from '../../core/shape.ts';
import {
  readSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
} from '../formats/safetensors/safetensors.ts';
import type { ImportOptions } from '../import/options.ts';
import { checkCounts, type ModelFacts, parseModelMetadata } from './metadata.ts';
import {
  checkTensors,
  deferredTensors,
  type Model,
  modelPieces,
  OPTIMIZER_PREFIX,
  tensorsToWrite,
} from './model.ts';

export { describe, type Model, OPTIMIZER_PREFIX } from './model.ts';

/**
 * Writes a model, whole or not at all.
 * @param tensors what else the file shall hold, under names that start with `optimizer.`
 * @param metadata under other keys than the model's own
 * @throws UserError when the file cannot be written.
 * @throws RangeError when tensors and network disagree.
 */
export async function writeModel(
  path: string,
  model: Model,
  tensors: Iterable<TensorToWrite> = [],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkCounts(path, model);
  await writeFileAtomically(
    path,
    modelPieces(path, model, tensorsToWrite(model), { tensors, metadata }).pieces,
  );
}

/**
 * As `writeModel`, for weights that are elsewhere: each is fetched when its turn comes to be written.
 * @param read one tensor of the model, by name
 */
export async function writeModelPiecewise(
  path: string,
  facts: ModelFacts,
  read: (name: string) => Promise<Float32Array>,
  tensors: Iterable<TensorToWrite> = [],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const own = deferredTensors(facts.network, read);
  await writeFileAtomically(path, modelPieces(path, facts, own, { tensors, metadata }).pieces);
}

/**
 * Reads a file of our own. No place is asked for before the header fits the network.
 * @throws UserError as `modelFromFile` does.
 */
export async function readOwnModel(
  path: string,
  { placesFor, onProgress }: Pick<ImportOptions, 'placesFor' | 'onProgress'> = {},
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
 * The model in a file that has been read already, its optimizer's tensors aside.
 * @throws UserError naming the file, the key or tensor, what was expected, what was found and what to do.
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
