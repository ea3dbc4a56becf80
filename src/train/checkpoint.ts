/**
 * Checkpoints. One safetensors file holds the model, the velocities (`optimizer.velocity.<parameter>`) and, as the
 * metadata key `trainer`, the trainer's state. A rename replaces the old file, so that a run killed at any moment has a
 * complete checkpoint. If weights are averaged, the model is their mean, and `optimizer.weights.<parameter>` are the
 * weights that training continues with. Random numbers need no state: they follow from seed, epoch and image
 * (core/random.ts).
 */
import { existsSync } from 'node:fs';
import { UserError } from '../core/errors.ts';
import type { ParameterField, Parameters } from '../kernels/backend.ts';
import { moveIntoParameters, specsWith } from '../kernels/canonical-parameters.ts';
import { readSafetensors } from '../weights/formats/safetensors/reader.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { OPTIMIZER_PREFIX } from '../weights/model/model.ts';
import { modelFromFile } from '../weights/model/read-model.ts';
import { writeModelPiecewise } from '../weights/model/write-model.ts';
import { type TrainerState, trainerState } from './trainer-state.ts';
import type { WeightAverage } from './weight-average.ts';

const VELOCITY = `${OPTIMIZER_PREFIX}velocity.`;
const WEIGHTS = `${OPTIMIZER_PREFIX}weights.`;

/**
 * @param average the weight average to save as the model (default: the weights themselves are the model)
 * @throws UserError when the file cannot be written; the old one remains.
 */
export async function writeCheckpoint(
  path: string,
  facts: ModelFacts,
  parameters: Parameters,
  state: TrainerState,
  average?: WeightAverage,
): Promise<void> {
  const extras = (prefix: string, field: ParameterField) =>
    specsWith(parameters, field).map(({ name, shape }) => ({
      name: prefix + name,
      shape,
      read: () => parameters.read(field, name),
    }));
  await writeModelPiecewise(
    path,
    facts,
    modelReader(parameters, average),
    [...extras(VELOCITY, 'velocities'), ...(average ? extras(WEIGHTS, 'values') : [])],
    { trainer: JSON.stringify(state) },
  );
}

/** Writes the model alone. @param average as in `writeCheckpoint` */
export async function writeParameters(
  path: string,
  facts: ModelFacts,
  parameters: Parameters,
  average?: WeightAverage,
): Promise<void> {
  await writeModelPiecewise(path, facts, modelReader(parameters, average));
}

/** Reads the tensors of the model: of the average, if there is one. */
function modelReader(parameters: Parameters, average?: WeightAverage) {
  return async (name: string) => average?.read(name) ?? parameters.read('values', name);
}

export interface Checkpoint {
  readonly model: ModelFacts;
  /** The model's weights. */
  readonly tensors: Map<string, Float32Array>;
  readonly velocities: Map<string, Float32Array>;
  /** The weights that training continues with if the model is an average; otherwise empty. */
  readonly weights: Map<string, Float32Array>;
  readonly state: TrainerState;
}

/**
 * @returns undefined if the run has no checkpoint yet.
 * @throws UserError when the file is damaged or not a checkpoint.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await readSafetensors(path);
  const extras = (prefix: string) =>
    new Map(
      [...file.tensors.values()]
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, data }) => [name.slice(prefix.length), data]),
    );
  const { tensors, ...model } = modelFromFile(path, file);
  return {
    model,
    tensors: new Map(tensors),
    velocities: extras(VELOCITY),
    weights: extras(WEIGHTS),
    state: parseState(path, file.metadata.trainer),
  };
}

/** Moves a checkpoint's model into the parameters; like `restoreOptimizer`, frees each tensor once it is copied. */
export async function restoreModel(parameters: Parameters, { tensors }: Checkpoint): Promise<void> {
  await moveIntoParameters(parameters, tensors);
}

/** Moves the velocities and, if the model is an average, the weights that training continues with. */
export async function restoreOptimizer(parameters: Parameters, checkpoint: Checkpoint): Promise<void> {
  await restoreField(parameters, 'velocities', VELOCITY, checkpoint.velocities);
  if (checkpoint.state.averaged > 0) await restoreField(parameters, 'values', WEIGHTS, checkpoint.weights);
}

async function restoreField(
  parameters: Parameters,
  field: ParameterField,
  prefix: string,
  tensors: Map<string, Float32Array>,
): Promise<void> {
  for (const { name } of specsWith(parameters, field)) {
    const tensor = tensors.get(name);
    if (!tensor) throw new UserError(`the checkpoint has no ${prefix}${name}; it belongs to another run`);
    await parameters.write(field, name, tensor);
    tensors.delete(name);
  }
}

function parseState(path: string, text: string | undefined): TrainerState {
  if (text === undefined) {
    throw new UserError(
      `${path} is a model, not a checkpoint (its metadata has no "trainer"); start a new run from it with --from`,
    );
  }
  const parsed = trainerState.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UserError(
    `the checkpoint ${path} is damaged: trainer.${issue?.path.join('.')}: ${issue?.message}; start a new run with --from`,
  );
}
