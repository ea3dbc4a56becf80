/**
 * Checkpoints. One safetensors file holds the model, the velocities (`optimizer.velocity.<parameter>`) and,
 * as the metadata key `trainer`, the trainer's state; one rename replaces the old one, so that a run killed
 * at any moment has a whole checkpoint. Random numbers need no state: they follow from the seed, the epoch
 * and the image (core/random.ts).
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';
import { moveIntoParameters } from '../kernels/fill-parameters.ts';
import {
  type ModelFacts,
  modelFromFile,
  OPTIMIZER_PREFIX,
  writeModelPiecewise,
} from '../weights/model-file.ts';
import { readSafetensors } from '../weights/safetensors.ts';
import type { ScheduleState } from './schedule.ts';

/** Where training stands after some iterations. */
export interface TrainerState {
  /** Steps of SGD done. */
  readonly iteration: number;
  readonly schedule: ScheduleState;
  readonly best: { readonly iteration: number; readonly top1Error: number } | null;
  /** The iteration of the last validation, 0 before the first. */
  readonly validatedAt: number;
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

/** @throws UserError when the file cannot be written; the old one is still there then. */
export async function writeCheckpoint(
  path: string,
  facts: ModelFacts,
  parameters: Parameters,
  state: TrainerState,
): Promise<void> {
  const velocities = parameters.specs.map(({ name, shape }) => ({
    name: VELOCITY + name,
    shape,
    read: () => parameters.read('velocities', name),
  }));
  const values = (name: string) => parameters.read('values', name);
  await writeModelPiecewise(path, facts, values, velocities, { trainer: JSON.stringify(state) });
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
  readonly state: TrainerState;
}

/**
 * @returns undefined where the run has no checkpoint yet.
 * @throws UserError when the file is damaged or no checkpoint.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await readSafetensors(path);
  const velocities = new Map(
    [...file.tensors.values()]
      .filter(({ name }) => name.startsWith(VELOCITY))
      .map(({ name, data }) => [name.slice(VELOCITY.length), data]),
  );
  const { tensors, ...model } = modelFromFile(path, file);
  return { model, tensors: new Map(tensors), velocities, state: parseState(path, file.metadata.trainer) };
}

/** Moves a checkpoint's weights and velocities back: it has none afterwards, and their memory is free. */
export async function restoreParameters(parameters: Parameters, checkpoint: Checkpoint): Promise<void> {
  await moveIntoParameters(parameters, checkpoint.tensors);
  for (const { name } of parameters.specs) {
    const velocity = checkpoint.velocities.get(name);
    if (!velocity) throw new UserError(`the checkpoint has no ${VELOCITY}${name}; it is not from this run`);
    await parameters.write('velocities', name, velocity);
    checkpoint.velocities.delete(name);
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
