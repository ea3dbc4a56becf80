/** What training a network will take: arithmetic, memory, time, and what several machines would change. */
import { type ImageFlops, imageFlops } from '../net/cost.ts';
import { type Network, parameterCount } from '../net/network.ts';
import { checkpointBytes, type MemoryEstimate, memoryByBatch, weightBytes } from './memory.ts';
import { estimateScaling, type ScalingEstimate } from './scaling.ts';

export interface PlanRequest {
  readonly network: Network;
  readonly batch: number;
  /** Default: the trainer's own choice. */
  readonly microBatch?: number;
  /** In the training set. */
  readonly images: number;
  readonly epochs: number;
  /** What one machine computes, in 10⁹ operations of direct convolution a second; unknown: no times. */
  readonly speed?: Speed;
  readonly machines: readonly number[];
  /** Of the network between machines, Gbit/s. */
  readonly bandwidth: number;
  /** Of a message between machines, seconds. */
  readonly latency: number;
}

export interface Speed {
  readonly inferenceGflops: number;
  readonly trainingGflops: number;
}

export interface TimeEstimate {
  readonly inferenceMsPerImage: number;
  readonly trainingMsPerImage: number;
  readonly secondsPerStep: number;
  readonly secondsPerEpoch: number;
  readonly secondsInAll: number;
}

export interface Plan {
  readonly configuration: string;
  readonly classes: number;
  readonly crop: number;
  readonly width: number;
  readonly parameters: number;
  readonly flopsPerImage: ImageFlops;
  readonly batch: number;
  readonly iterationsPerEpoch: number;
  readonly iterations: number;
  /** Arithmetic of the whole training. */
  readonly trainingFlops: number;
  readonly modelBytes: number;
  readonly checkpointBytes: number;
  /** What an all-reduce of the gradients carries. */
  readonly gradientBytes: number;
  readonly memory: readonly MemoryEstimate[];
  readonly time?: TimeEstimate;
  readonly scaling: readonly ScalingEstimate[];
}

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;

export function makePlan(request: PlanRequest): Plan {
  const { network, batch, microBatch, images, epochs, speed, machines } = request;
  const flopsPerImage = imageFlops(network);
  // Batches run on from one epoch into the next, so that all are full.
  const iterationsPerEpoch = images / batch;
  const iterations = Math.max(1, Math.round(iterationsPerEpoch * epochs));
  const batches = [...new Set([...BATCHES, batch])].sort((a, b) => a - b);
  const time = speed && estimateTime(request, flopsPerImage, speed);
  return {
    configuration: network.configuration,
    classes: network.classes,
    crop: network.crop,
    width: network.width,
    parameters: parameterCount(network),
    flopsPerImage,
    batch,
    iterationsPerEpoch,
    iterations,
    trainingFlops: flopsPerImage.training * iterations * batch,
    modelBytes: weightBytes(network),
    checkpointBytes: checkpointBytes(network),
    gradientBytes: weightBytes(network),
    memory: memoryByBatch(network, batches, microBatch),
    time,
    scaling: machines.map((count) =>
      estimateScaling({ ...request, ...(time && { trainingMsPerImage: time.trainingMsPerImage }) }, count),
    ),
  };
}

function estimateTime({ batch, images, epochs }: PlanRequest, flops: ImageFlops, speed: Speed): TimeEstimate {
  const trainingMsPerImage = flops.training / speed.trainingGflops / 1e6;
  const secondsPerEpoch = (trainingMsPerImage * images) / 1000;
  return {
    inferenceMsPerImage: flops.forward / speed.inferenceGflops / 1e6,
    trainingMsPerImage,
    secondsPerStep: (trainingMsPerImage * batch) / 1000,
    secondsPerEpoch,
    secondsInAll: secondsPerEpoch * epochs,
  };
}
