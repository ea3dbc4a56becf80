/**
 * Checkpoints. One safetensors file holds the model, the velocities (`optimizer.velocity.<parameter>`) and,
 * as the metadata key `trainer`, the trainer's state; one rename replaces the old one, so that a run killed
 * at any moment has a whole checkpoint. Where weights are averaged the model is their mean, and the weights
 * with which training goes on are `optimizer.weights.<parameter>`. Random numbers need no state: they follow
 * from the seed, the epoch and the image (core/random.ts).
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import type { ParameterField, Parameters } from '../kernels/backend.ts';
import { moveIntoParameters } from '../kernels/canonical-parameters.ts';
import { readSafetensors } from '../weights/formats/safetensors/safetensors.ts';
import {
  type ModelFacts,
  modelFromFile,
  OPTIMIZER_PREFIX,
  writeModelPiecewise,
} from '../weights/model/model-file.ts';
import type { ScheduleState } from './schedule.ts';
import type { WeightAverage } from './weight-average.ts';

/** Where training stands after some iterations. */
export interface TrainerState {
  /** Steps of SGD done. */
  readonly iteration: number;
  readonly schedule: ScheduleState;
  readonly best: { readonly iteration: number; readonly top1Error: number } | null;
  /** The iteration of the last validation, 0 before the first. */
  readonly validatedAt: number;
  /** How many weights the model is the mean of; 0 where it is the weights themselves. */
  readonly averaged: number;
  /** Counts since the last line of metrics. */
  readonly window: {
    readonly images: number;
    readonly top1Errors: number;
    readonly top5Errors: number;
    readonly lossSum: number;
  };
  /** Iterations in a row with a flat loss. */
  readonly flatIterations: number;
  /** Seconds spent training, over all sessions of the run. */
  readonly seconds: number;
}

const stateSchema = z.object({
  iteration: z.number().int().min(0),
  schedule: z.object({
    learningRate: z.number(),
    drops: z.number().int(),
    bestError: z.number().nullable(),
    sinceBest: z.number().int(),
    finished: z.boolean(),
  }),
  best: z.object({ iteration: z.number().int(), top1Error: z.number() }).nullable(),
  validatedAt: z.number().int(),
  // Checkpoints of versions that knew no averages have none.
  averaged: z.number().int().min(0).default(0),
  window: z.object({
    images: z.number(),
    top1Errors: z.number(),
    top5Errors: z.number(),
    lossSum: z.number(),
  }),
  flatIterations: z.number().int(),
  seconds: z.number(),
});

const VELOCITY = `${OPTIMIZER_PREFIX}velocity.`;
const WEIGHTS = `${OPTIMIZER_PREFIX}weights.`;

/**
 * @param average the mean that is the model, where there is one
 * @throws UserError when the file cannot be written; the old one is still there then.
 */
export async function writeCheckpoint(
  path: string,
  facts: ModelFacts,
  parameters: Parameters,
  state: TrainerState,
  average?: WeightAverage,
): Promise<void> {
  const extras = (prefix: string, field: ParameterField) =>
    parameters.specs.map(({ name, shape }) => ({
      name: prefix + name,
      shape,
      read: () => parameters.read(field, name),
    }));
  await writeModelPiecewise(
    path,
    facts,
    async (name) => average?.read(name) ?? parameters.read('values', name),
    [...extras(VELOCITY, 'velocities'), ...(average ? extras(WEIGHTS, 'values') : [])],
    { trainer: JSON.stringify(state) },
  );
}

/** Writes the model alone. */
export async function writeParameters(
  path: string,
  facts: ModelFacts,
  parameters: Parameters,
): Promise<void> {
  await writeModelPiecewise(path, facts, (name) => parameters.read('values', name));
}

export interface Checkpoint {
  readonly model: ModelFacts;
  /** The model's. */
  readonly tensors: Map<string, Float32Array>;
  readonly velocities: Map<string, Float32Array>;
  /** With which training goes on, where the model is a mean; else empty. */
  readonly weights: Map<string, Float32Array>;
  readonly state: TrainerState;
}

/**
 * @returns undefined where the run has no checkpoint yet.
 * @throws UserError when the file is damaged or no checkpoint.
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

/** Moves a checkpoint's model into the parameters. It has none afterwards, here as below, and its memory is free. */
export async function restoreModel(parameters: Parameters, { tensors }: Checkpoint): Promise<void> {
  await moveIntoParameters(parameters, tensors);
}

/** Moves back what training goes on with: velocities and, where the model is a mean, the weights themselves. */
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
  for (const { name } of parameters.specs) {
    const tensor = tensors.get(name);
    if (!tensor) throw new UserError(`the checkpoint has no ${prefix}${name}; it is not from this run`);
    await parameters.write(field, name, tensor);
    tensors.delete(name);
  }
}

function parseState(path: string, text: string | undefined): TrainerState {
  if (text === undefined) {
    throw new UserError(
      `${path} is a model, not a checkpoint: its metadata has no "trainer"; use --from for it`,
    );
  }
  const parsed = stateSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new UserError(
      `${path}: trainer.${issue?.path.join('.')}: ${issue?.message}; the checkpoint is damaged`,
    );
  }
  return parsed.data;
}
