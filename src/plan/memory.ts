/**
 * How much memory a process takes, before anything runs, with the native engine and its own 3×3 kernels. It
 * follows what native/kernels/planner.cpp does: a ReLU works in place, a 2×2 pooling behind one of our
 * convolutions is part of it, so that the map before it is never there, and gradients take turns in two places.
 */
import type { Layer } from '../core/layer.ts';
import { shapesAlong } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import { cropShape, type Network, parameterCount } from '../net/network.ts';
import { activationBytes, defaultMicroBatch, gradientBytes } from './activations.ts';

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

/** Node, its libraries and our code. */
const PROCESS_BYTES = 120 * 2 ** 20;
/** What the kernels work with, whatever the batch. */
const SCRATCH_BYTES = 40 * 2 ** 20;
/** Micro-batches of images that the loader has ready or the engine is at. */
const LOADED = 4;
/** Channels that the image is padded to where oneDNN takes it. */
const IMAGE_CHANNELS = 16;
/** What a pooling remembers of a value for the backward pass, in values. */
const POOLING_CHOICE = 1 / 4;

/** What a training step computes with, in bytes an image of a micro-batch: activations and gradients. */
export function trainingBytesPerImage(network: Network): number {
  const { layers } = network;
  const sizes = shapesAlong(layers, cropShape(network, 1)).map(elementCount);
  const [, , height, width] = cropShape(network, 1);
  let kept = sizes[0]! + IMAGE_CHANNELS * height * width;
  const outputs: number[] = [];
  for (let i = 0; i < layers.length; i++) {
    const { kind } = layers[i]!;
    if (kind === 'relu' || kind === 'dropout') continue;
    if (poolsWithin(layers, i)) i += 2;
    const size = sizes[i + 1]!;
    outputs.push(size);
    kept += layers[i]!.kind === 'maxPool' ? size * (1 + POOLING_CHOICE) : size;
    // oneDNN notes what a normalisation divided by.
    if (kind === 'lrn') kept += size;
  }
  const places = [0, 1].map((place) =>
    outputs.filter((_, index) => index % 2 === place).reduce((most, size) => Math.max(most, size), 0),
  );
  return FLOAT_BYTES * (kept + places[0]! + places[1]!);
}

/** Whether a convolution's kernel pools too: one of ours (3×3, not on the image), then ReLU, then pooling. */
function poolsWithin(layers: readonly Layer[], index: number): boolean {
  const [convolution, relu, pool] = layers.slice(index, index + 3);
  return (
    convolution?.kind === 'convolution' &&
    convolution.kernel === 3 &&
    convolution.inChannels > 3 &&
    relu?.kind === 'relu' &&
    pool?.kind === 'maxPool'
  );
}

/**
 * Training steps: the process; weights, gradients and velocities; the transformed weights, for the forward and
 * for the backward pass; and, for each image of a micro-batch, what the step computes with and what is loaded
 * ahead.
 */
export function stepBytes(network: Network, microBatch: number): number {
  const fixed = 3 * weightBytes(network) + 2 * transformedWeightBytes(network);
  const loaded = LOADED * FLOAT_BYTES * elementCount(cropShape(network, 1));
  const perImage = trainingBytesPerImage(network) + loaded;
  return PROCESS_BYTES + SCRATCH_BYTES + fixed + microBatch * perImage;
}

/** Images that validation computes at once: as many as fit what it may take for activations, at most 64. */
const VALIDATED = 64;
const VALIDATION_BYTES = 512 * 2 ** 20;

/**
 * A whole training run: its steps; beside them a validation's transformed weights and activations; and tensors on
 * their way into a checkpoint, the largest one of them and its velocity. Decoded images that the loader keeps
 * (`memory-budget`) are not in it.
 */
export function trainingBytes(network: Network, microBatch: number): number {
  const atOnce = Math.min(VALIDATED, Math.max(1, Math.floor(VALIDATION_BYTES / activationBytes(network))));
  const validation = transformedWeightBytes(network) + atOnce * gradientBytes(network);
  const largest = Math.max(...network.parameters.map(({ shape }) => elementCount(shape)));
  return stepBytes(network, microBatch) + validation + 2 * FLOAT_BYTES * largest;
}

/**
 * Inference: the process, weights, the transformed weights, and for each image the largest layer's input and output,
 * since nothing is kept for a backward pass.
 */
export function inferenceBytes(network: Network, batch: number): number {
  const fixed = weightBytes(network) + transformedWeightBytes(network);
  return PROCESS_BYTES + SCRATCH_BYTES + fixed + batch * gradientBytes(network);
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
