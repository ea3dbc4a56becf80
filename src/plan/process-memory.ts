/**
 * Predicts how much memory a process takes. The part that depends on the backend comes from the backend's planner, which
 * allocates nothing. Without a planner it is an upper estimate from the layers' sizes.
 */

import { parameterSpecs, valuesIn } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import type { Backend } from '../kernels/backend.ts';
import { frozenPart, trainedInputShape, trainedPart } from '../net/frozen-layers.ts';
import { cropShape, type Network, parameterCount } from '../net/network.ts';
import { activationBytes, defaultMicroBatch, gradientBytes } from './activation-memory.ts';

const FLOAT_BYTES = 4;
const MEBIBYTE = 2 ** 20;

export type MemoryPlanner = NonNullable<Backend['planMemory']>;

export interface MemoryEstimate {
  /** Images per batch. */
  readonly batch: number;
  /** Images computed at once in training. */
  readonly microBatch: number;
  /** Bytes. */
  readonly training: number;
  /** Bytes, with the whole batch computed at once. */
  readonly inference: number;
}

/** 4 bytes per parameter. */
export function weightBytes(network: Network): number {
  return FLOAT_BYTES * parameterCount(network);
}

/** 4 bytes per parameter with a gradient: all but those of frozen layers before the trained part. */
export function trainedBytes(network: Network): number {
  return FLOAT_BYTES * valuesIn(parameterSpecs(trainedPart(network)));
}

/** The size of a checkpoint, which holds weights and velocities. */
export function checkpointBytes(network: Network): number {
  return weightBytes(network) + trainedBytes(network);
}

/** Memory of Node, its libraries and our code, measured on Linux. */
const PROCESS_BYTES = 180 * MEBIBYTE;
/** Micro-batches of images that the loader holds ready or the backend computes. */
const LOADED = 4;
/** Crops that a validation computes at once: at most 64, and as many as fit in 512 MiB (image-classifier.ts). */
const VALIDATION_BATCH = 64;
const VALIDATION_BYTES = 512 * MEBIBYTE;

/** Winograd F(4×4, 3×3) turns each 3×3 kernel into 6×6 values, once for each direction (forward and backward). */
const WINOGRAD_GROWTH = 36 / 9;
/** The most working memory that the kernels use. */
const SCRATCH_BYTES = 100 * MEBIBYTE;

function convolutionWeightBytes({ parameters }: Network): number {
  const weights = parameters.filter(({ name }) => name.startsWith('conv'));
  return FLOAT_BYTES * weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A program's memory besides the parameters. */
interface ProgramMemory {
  /** Bytes. */
  readonly total: number;
  /** The part that another program over the same parameters shares. */
  readonly transformedWeights: number;
}

async function programMemory(
  network: Network,
  batch: number,
  training: boolean,
  planner: MemoryPlanner | undefined,
): Promise<ProgramMemory> {
  if (planner) return planner({ layers: network.layers, inputShape: cropShape(network, batch), training });
  const perImage = gradientBytes(network) + (training ? activationBytes(network) : 0);
  const transformedWeights = (training ? 2 : 1) * WINOGRAD_GROWTH * convolutionWeightBytes(network);
  return { total: batch * perImage + transformedWeights + SCRATCH_BYTES, transformedWeights };
}

/** The memory of the program of the trained part and, if layers are frozen, that of theirs. */
async function stepMemory(network: Network, batch: number, planner?: MemoryPlanner): Promise<number> {
  const frozen = frozenPart(network);
  if (!planner || frozen.length === 0) return (await programMemory(network, batch, true, planner)).total;
  const inputShape = trainedInputShape(network, batch);
  const trained = await planner({ layers: trainedPart(network), inputShape, training: true });
  return trained.total + (await planner({ layers: frozen, inputShape: cropShape(network, batch) })).total;
}

/**
 * The memory of a training run: weights, gradients and velocities; the training program; loaded images; a validation,
 * whose program exists at the same time; and the largest tensor and its velocity while a checkpoint is written. Decoded
 * images that the loader keeps (`memory-budget`) come on top.
 */
export async function trainingBytes(
  network: Network,
  microBatch: number,
  planner?: MemoryPlanner,
): Promise<number> {
  const imageBytes = FLOAT_BYTES * elementCount(cropShape(network, 1));
  const fitting = Math.max(1, Math.floor(VALIDATION_BYTES / gradientBytes(network)));
  const step = await stepMemory(network, microBatch, planner);
  const validation = await programMemory(network, Math.min(VALIDATION_BATCH, fitting), false, planner);
  const largestTensor = Math.max(...network.parameters.map(({ shape }) => elementCount(shape)));
  return (
    PROCESS_BYTES +
    weightBytes(network) +
    2 * trainedBytes(network) +
    step +
    LOADED * microBatch * imageBytes +
    (validation.total - validation.transformedWeights) +
    2 * FLOAT_BYTES * largestTensor
  );
}

/** The memory of inference: weights and the program. */
export async function inferenceBytes(
  network: Network,
  batch: number,
  planner?: MemoryPlanner,
): Promise<number> {
  const { total } = await programMemory(network, batch, false, planner);
  return PROCESS_BYTES + weightBytes(network) + total;
}

/**
 * @param microBatch default: the trainer's default for each batch
 * @param planner of the backend that will run (default: an upper estimate)
 */
export function memoryByBatch(
  network: Network,
  batches: readonly number[],
  { microBatch, planner }: { readonly microBatch?: number; readonly planner?: MemoryPlanner } = {},
): Promise<MemoryEstimate[]> {
  return Promise.all(
    batches.map(async (batch) => {
      const atOnce = Math.min(batch, microBatch ?? defaultMicroBatch(network, batch));
      return {
        batch,
        microBatch: atOnce,
        training: await trainingBytes(network, atOnce, planner),
        inference: await inferenceBytes(network, batch, planner),
      };
    }),
  );
}
