/** Estimates what training a network takes: arithmetic, memory, time, and the speed-up from several machines. */
import { type ImageFlops, imageFlops } from '../net/cost.ts';
import { parameterCount } from '../net/network.ts';
import { type Speed, trainingTime } from './arithmetic-time.ts';
import { estimateGpuScaling, type GpuScalingEstimate, type TransferSpeed } from './gpu-scaling.ts';
import {
  checkpointBytes,
  type MemoryEstimate,
  type MemoryPlanner,
  memoryByBatch,
  trainedBytes,
  weightBytes,
} from './process-memory.ts';
import { estimateScaling, type ScalingEstimate, type ScalingRequest } from './scaling.ts';

export interface TrainingEstimateRequest extends Omit<ScalingRequest, 'trainingMsPerImage'> {
  /** Number of training images. */
  readonly images: number;
  readonly epochs: number;
  /** Planner of the backend that will train (default: none; memory is then an upper estimate). */
  readonly planner?: MemoryPlanner;
  /** Speed of one machine; without it there are no times. */
  readonly speed?: Speed;
  /** Numbers of machines to compare. */
  readonly machines: readonly number[];
  /** Numbers of GPUs of one machine to compare, and the measured speed of their transfers; needs `speed`. */
  readonly gpus?: { readonly counts: readonly number[]; readonly transfer: TransferSpeed };
}

export interface TimeEstimate {
  readonly inferenceMsPerImage: number;
  readonly trainingMsPerImage: number;
  readonly secondsPerStep: number;
  readonly secondsPerEpoch: number;
  readonly secondsInAll: number;
}

export interface TrainingEstimate {
  readonly configuration: string;
  readonly classes: number;
  readonly crop: number;
  readonly width: number;
  readonly parameters: number;
  /** Without those of frozen layers. */
  readonly trainedParameters: number;
  readonly flopsPerImage: ImageFlops;
  readonly batch: number;
  readonly iterationsPerEpoch: number;
  readonly iterations: number;
  /** Floating-point operations of the whole training. */
  readonly trainingFlops: number;
  readonly modelBytes: number;
  readonly checkpointBytes: number;
  /** Size in bytes of the gradients that an all-reduce sums. */
  readonly gradientBytes: number;
  readonly memory: readonly MemoryEstimate[];
  readonly memorySource: 'planned' | 'upper estimate';
  readonly time?: TimeEstimate;
  readonly scaling: readonly ScalingEstimate[];
  /** For several GPUs of one machine, if asked for. */
  readonly gpuScaling?: readonly GpuScalingEstimate[];
}

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;

export async function estimateTraining(request: TrainingEstimateRequest): Promise<TrainingEstimate> {
  const { network, batch, microBatch, images, epochs, speed, machines, planner } = request;
  const flopsPerImage = imageFlops(network);
  // A batch may span two epochs, so all batches are full.
  const iterationsPerEpoch = images / batch;
  const iterations = Math.max(1, Math.round(iterationsPerEpoch * epochs));
  const batches = [...new Set([...BATCHES, batch])].sort((a, b) => a - b);
  const time = speed && timeOf(request, flopsPerImage, speed);
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
    gradientBytes: trainedBytes(network),
    trainedParameters: trainedBytes(network) / 4,
    memory: await memoryByBatch(network, batches, { microBatch, planner }),
    memorySource: planner ? 'planned' : 'upper estimate',
    time,
    scaling: machines.map((count) =>
      estimateScaling({ ...request, trainingMsPerImage: time?.trainingMsPerImage }, count),
    ),
    gpuScaling:
      time &&
      request.gpus?.counts.map((count) => {
        const { trainingMsPerImage } = time;
        const { transfer } = request.gpus!;
        return estimateGpuScaling({ network, batch, microBatch, trainingMsPerImage, transfer }, count);
      }),
  };
}

function timeOf(
  { network, batch, images, epochs }: TrainingEstimateRequest,
  flops: ImageFlops,
  speed: Speed,
): TimeEstimate {
  const secondsPerImage = trainingTime(network, speed);
  return {
    inferenceMsPerImage: flops.forward / speed.inferenceGflops / 1e6,
    trainingMsPerImage: 1000 * secondsPerImage,
    secondsPerStep: batch * secondsPerImage,
    secondsPerEpoch: images * secondsPerImage,
    secondsInAll: images * epochs * secondsPerImage,
  };
}
