import { writeFileAtomically } from '../../core/atomic-file.ts';
import type { TensorToWrite } from '../formats/safetensors/writer.ts';
import type { ModelFacts } from './metadata.ts';
import { deferredTensors, type Model, modelPieces, tensorsToWrite } from './model.ts';

/**
 * Writes a model to a .safetensors file, whole or not at all.
 *
 * @param tensors additional tensors, under names that start with `optimizer.` (default: none)
 * @param metadata additional metadata, under keys other than the model's own (default: none)
 *
 * @example
 * const model = await readModel('runs/photos/best.safetensors');
 * await writeModel('photos.safetensors', { ...model, license: 'CC-BY-4.0' });
 *
 * @throws UserError when the file cannot be written, or names and classes disagree in number.
 * @throws RangeError when tensors and network disagree.
 */
export async function writeModel(
  path: string,
  model: Model,
  tensors: Iterable<TensorToWrite> = [],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(
    path,
    modelPieces(path, model, tensorsToWrite(model), { tensors, metadata }).pieces,
  );
}

/**
 * Like `writeModel`, but for weights stored elsewhere: each tensor is fetched just before it is written.
 * @param read returns one tensor of the model, by name
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
