/**
 * What several machines would change (section 3.3): every machine computes its share of each batch, and gradients
 * are exchanged while the backward pass of the share's last micro-batch runs. docs/performance.md has the model.
 */
import { bucketLength } from '../core/team.ts';
import { defaultMicroBatch } from '../net/memory.ts';
import type { Network } from '../net/network.ts';
import { weightBytes } from './memory.ts';

export interface ScalingRequest {
  readonly network: Network;
  /** Of all machines together. */
  readonly batch: number;
  readonly microBatch?: number;
  /** Of the network between machines, Gbit/s. */
  readonly bandwidth: number;
  /** Of a message, seconds. */
  readonly latency: number;
  /** Of the arithmetic on one machine; unknown: no times of steps. */
  readonly trainingMsPerImage?: number;
}

export interface ScalingEstimate {
  readonly machines: number;
  /** Sent by each machine in each step. */
  readonly bytesSentPerStep: number;
  /** From the first gradients on their way to the last one's arrival, if nothing else held them up. */
  readonly communicationSeconds: number;
  /** The part of it that the backward pass hides. Present, as the rest, where the speed of a machine is known. */
  readonly hiddenSeconds?: number;
  readonly secondsPerStep?: number;
  readonly speedup?: number;
}

/** The part of what goes over a network that is values: TCP in Ethernet frames of 1500 bytes. */
const PAYLOAD = 0.94;
/** All-reduces that are under way at a time (native/mpi/world.cpp), each of two rounds of messages. */
const UNDER_WAY = 4;
const ROUNDS = 2;
/** Of a large message: it is announced, asked for and sent. */
const LATENCIES = 3;
/** Of forward pass, weight gradients and input gradients. */
const BACKWARD_SHARE = 2 / 3;

export function estimateScaling(request: ScalingRequest, machines: number): ScalingEstimate {
  const { network, batch, bandwidth, latency, trainingMsPerImage } = request;
  const bytes = weightBytes(network);
  const values = bytes / Float32Array.BYTES_PER_ELEMENT;
  const bucketBytes = Math.min(values, bucketLength(values)) * Float32Array.BYTES_PER_ELEMENT;
  // Each machine sends all slices but its own, and the sum of its own to all others.
  const sentShare = (2 * (machines - 1)) / machines;
  const bytesSentPerStep = Math.round(sentShare * bytes);
  const onTheWire = (count: number): number => (sentShare * count * 8) / (bandwidth * 1e9 * PAYLOAD);
  const turns = machines > 1 ? Math.ceil(bytes / bucketBytes / UNDER_WAY) * ROUNDS : 0;
  const communicationSeconds = onTheWire(bytes) + turns * LATENCIES * latency;
  const estimate = { machines, bytesSentPerStep, communicationSeconds };
  if (trainingMsPerImage === undefined) return estimate;
  // The machine with the largest share sets the pace.
  const share = Math.ceil(batch / machines);
  const last = ((share - 1) % microBatchOf(request)) + 1;
  const backward = (BACKWARD_SHARE * last * trainingMsPerImage) / 1000;
  // What comes last is final only when the pass is over.
  const tail = machines > 1 ? onTheWire(bucketBytes) + ROUNDS * LATENCIES * latency : 0;
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
