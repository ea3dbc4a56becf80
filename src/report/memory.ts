/**
 * How much memory a network takes before anything runs. Estimates of what is asked for by size: code, the
 * image decoder and the loader's batches come on top.
 */
import { activationBytes, defaultMicroBatch, gradientBytes } from '../net/memory.ts';
import { type Network, parameterCount } from '../net/network.ts';

const FLOAT_BYTES = 4;

/** Winograd F(4×4, 3×3) turns each 3×3 kernel into 6×6 values. */
const WINOGRAD_GROWTH = 36 / 9;

export interface MemoryEstimate {
  /** Images in a batch. */
  readonly batch: number;
  /** Images computed at once. */
  readonly microBatch: number;
  /** Bytes. */
  readonly training: number;
  /** Bytes, with all of the batch at once. */
  readonly inference: number;
}

/** 4 bytes a parameter. */
export function weightBytes(network: Network): number {
  return FLOAT_BYTES * parameterCount(network);
}

/** A checkpoint: weights and velocities. */
export function checkpointBytes(network: Network): number {
  return 2 * weightBytes(network);
}

/** The engine's private copy of 3×3 weights, transformed once for a whole batch. */
export function transformedWeightBytes(network: Network): number {
  const weights = network.parameters
    .filter(({ shape }) => shape[2] === 3 && shape[3] === 3)
    .reduce((sum, { shape }) => sum + shape[0]! * shape[1]! * 9, 0);
  return FLOAT_BYTES * WINOGRAD_GROWTH * weights;
}

/**
 * Training: weights, gradients and velocities; the transformed weights, for the forward and for the backward
 * pass; and, for each image of a micro-batch, all activations and the gradients alive at once.
 */
export function trainingBytes(network: Network, microBatch: number): number {
  const fixed = 3 * weightBytes(network) + 2 * transformedWeightBytes(network);
  return fixed + microBatch * (activationBytes(network) + gradientBytes(network));
}

/**
 * Inference: weights, the transformed weights, and for each image the largest layer's input and output,
 * since nothing is kept for a backward pass.
 */
export function inferenceBytes(network: Network, batch: number): number {
  return weightBytes(network) + transformedWeightBytes(network) + batch * gradientBytes(network);
}

/** @param microBatch default: the trainer's own choice for each batch */
export function memoryByBatch(
  network: Network,
  batches: readonly number[],
  microBatch?: number,
): MemoryEstimate[] {
  return batches.map((batch) => {
    const atOnce = Math.min(batch, microBatch ?? defaultMicroBatch(network, batch));
    return {
      batch,
      microBatch: atOnce,
      training: trainingBytes(network, atOnce),
      inference: inferenceBytes(network, batch),
    };
  });
}
