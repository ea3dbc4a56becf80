/**
 * Predicts a training step on several GPUs of one machine. Each computes its share of a batch. During the backward pass
 * of the share's last micro-batch buckets of gradients pass through three stages that overlap: read from every GPU (each
 * over its own bus), added by one thread, and written to every GPU.
 */
import { bucketLength } from '../core/process-team.ts';
import type { Network } from '../net/network.ts';
import { defaultMicroBatch } from './activation-memory.ts';
import { trainedBytes } from './process-memory.ts';
import { BACKWARD_SHARE } from './scaling.ts';

/** Measured on one GPU by `measureTransfer` (src/api/measure-transfer.ts). In bytes per second. */
export interface TransferSpeed {
  /** From a GPU to memory, and back. */
  readonly read: number;
  readonly write: number;
  /** Adding gradients of one GPU to the sum. */
  readonly add: number;
}

export interface GpuScalingRequest {
  readonly network: Network;
  /** Images per step over all GPUs. */
  readonly batch: number;
  /** Images that all GPUs together compute at a time (default: the trainer's default). */
  readonly microBatch?: number;
  /** Of one GPU. */
  readonly trainingMsPerImage: number;
  readonly transfer: TransferSpeed;
}

export interface GpuScalingEstimate {
  readonly gpus: number;
  /** Seconds from the first bucket to the last, if nothing else delays them. */
  readonly exchangeSeconds: number;
  /** The part of it that the backward pass hides. */
  readonly hiddenSeconds: number;
  readonly secondsPerStep: number;
  readonly speedup: number;
}

export function estimateGpuScaling(request: GpuScalingRequest, gpus: number): GpuScalingEstimate {
  const { network, batch, trainingMsPerImage, transfer } = request;
  const bytes = trainedBytes(network);
  const bucket = Math.min(bytes, 4 * bucketLength(bytes / 4));
  // The GPU with the largest share sets the pace.
  const share = Math.ceil(batch / gpus);
  const micro = Math.min(batch, request.microBatch ?? defaultMicroBatch(network, batch, { devices: gpus }));
  const last = ((share - 1) % Math.ceil(micro / gpus)) + 1;
  const backward = (BACKWARD_SHARE * last * trainingMsPerImage) / 1000;
  const stagesOf = (count: number) => [
    count / transfer.read,
    (gpus * count) / transfer.add,
    count / transfer.write,
  ];
  const throughStages = stagesOf(bucket).reduce((sum, seconds) => sum + seconds, 0);
  const exchangeSeconds = gpus > 1 ? throughStages + Math.max(...stagesOf(bytes - bucket)) : 0;
  // The last bucket is final only at the end of the pass.
  const hiddenSeconds = gpus > 1 ? Math.min(backward, exchangeSeconds - throughStages) : 0;
  const secondsPerStep = (share * trainingMsPerImage) / 1000 + exchangeSeconds - hiddenSeconds;
  return {
    ...{ gpus, exchangeSeconds, hiddenSeconds, secondsPerStep },
    speedup: (batch * trainingMsPerImage) / 1000 / secondsPerStep,
  };
}
