/**
 * Predicts training on several machines (section 3.3): every machine computes its share of each batch, and gradients are
 * exchanged during the backward pass of the share's last micro-batch. docs/explanation/measurements.md has the model.
 */
import { bucketLength } from '../core/process-team.ts';
import type { Network } from '../net/network.ts';
import { defaultMicroBatch } from './activation-memory.ts';
import { weightBytes } from './process-memory.ts';

export interface ScalingRequest {
  readonly network: Network;
  /** Images per step over all machines. */
  readonly batch: number;
  /** Default: the trainer's default. */
  readonly microBatch?: number;
  /** Bandwidth between machines, in Gbit/s. */
  readonly bandwidth: number;
  /** Latency of a message, in seconds. */
  readonly latency: number;
  /** Share of the bytes on the wire that are gradients (default 0.94, as for TCP over Ethernet). */
  readonly payload?: number;
  /** Speed of one machine; without it there are no step times. */
  readonly trainingMsPerImage?: number;
}

export interface ScalingEstimate {
  readonly machines: number;
  /** Bytes sent by each machine. */
  readonly bytesSentPerStep: number;
  /** Seconds from sending the first gradients to receiving the last, if nothing else delays them. */
  readonly communicationSeconds: number;
  /** The part of it that the backward pass hides. This and the following need the speed of a machine. */
  readonly hiddenSeconds?: number;
  readonly secondsPerStep?: number;
  readonly speedup?: number;
}

/** TCP over Ethernet: a full frame takes 1538 bytes on the wire, of which 1448 are gradients. */
const PAYLOAD = 0.94;
const SEGMENT = 1448;
/** Rounds of messages in an all-reduce. */
const ROUNDS = 2;
/** All-reduces that overlap (native/mpi/world.cpp): while one waits, the others send. */
const OVERLAPPING = 4;
/** Segments that TCP sends without an acknowledgment after a pause, as between steps; each round trip doubles them. */
const FIRST_WINDOW = 10;
/** The weight gradients and the input gradients each cost as much as the forward pass. */
export const BACKWARD_SHARE: number = 2 / 3;

export function estimateScaling(request: ScalingRequest, machines: number): ScalingEstimate {
  const { network, batch, bandwidth, latency, trainingMsPerImage } = request;
  const bytes = weightBytes(network);
  const values = bytes / Float32Array.BYTES_PER_ELEMENT;
  const bucketBytes = Math.min(values, bucketLength(values)) * Float32Array.BYTES_PER_ELEMENT;
  // Each machine sends all slices except its own, and then the sum of its own to all others.
  const sentShare = (2 * (machines - 1)) / machines;
  const bytesSentPerStep = Math.round(sentShare * bytes);
  const rate = (bandwidth * 1e9 * (request.payload ?? PAYLOAD)) / 8;
  const onTheWire = (count: number): number => (sentShare * count) / rate;
  // Overlapping all-reduces hide each other's latencies for as long as they run.
  const round = onTheWire(bucketBytes) / ROUNDS;
  const lost = Math.max(0, latency - (OVERLAPPING - 1) * round);
  const turns = (Math.ceil(bytes / bucketBytes / OVERLAPPING) - 1) * ROUNDS;
  const starting = 2 * latency * Math.max(0, Math.log2((2 * latency * rate) / (FIRST_WINDOW * SEGMENT)));
  const communicationSeconds =
    machines > 1 ? onTheWire(bytes) + ROUNDS * latency + turns * lost + starting : 0;
  const estimate = { machines, bytesSentPerStep, communicationSeconds };
  if (trainingMsPerImage === undefined) return estimate;
  // The machine with the largest share sets the pace.
  const share = Math.ceil(batch / machines);
  const last = ((share - 1) % microBatchOf(request)) + 1;
  const backward = (BACKWARD_SHARE * last * trainingMsPerImage) / 1000;
  // The last bucket is final only at the end of the pass.
  const tail = machines > 1 ? onTheWire(bucketBytes) + ROUNDS * latency : 0;
  const hiddenSeconds = Math.min(backward, communicationSeconds - tail);
  const secondsPerStep = (share * trainingMsPerImage) / 1000 + communicationSeconds - hiddenSeconds;
  return {
    ...estimate,
    hiddenSeconds,
    secondsPerStep,
    speedup: (batch * trainingMsPerImage) / 1000 / secondsPerStep,
  };
}

function microBatchOf({ network, batch, microBatch }: ScalingRequest): number {
  return Math.min(microBatch ?? defaultMicroBatch(network, batch), batch);
}
