/**
 * What several machines would change (section 3.3): every machine computes its share of each batch, and gradients
 * are exchanged while the backward pass of the share's last micro-batch runs. docs/explanation/measurements.md has the model.
 */
import { bucketLength } from '../core/team.ts';
import type { Network } from '../net/network.ts';
import { defaultMicroBatch } from './activations.ts';
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
  /** The part of what goes over the network that is values; another than Ethernet's for a network that counts otherwise. */
  readonly payload?: number;
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

/** TCP in Ethernet frames: of the 1538 bytes that a full one takes on the wire 1448 are values. */
const PAYLOAD = 0.94;
const SEGMENT = 1448;
/** Each all-reduce is of two rounds of messages. */
const ROUNDS = 2;
/** All-reduces that are under way at a time (native/mpi/world.cpp): while one waits, others send. */
const UNDER_WAY = 4;
/** Segments that TCP sends without an answer after it was idle, as between the steps; each answer doubles them. */
const FIRST_WINDOW = 10;
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
  const rate = (bandwidth * 1e9 * (request.payload ?? PAYLOAD)) / 8;
  const onTheWire = (count: number): number => (sentShare * count) / rate;
  // What all-reduces wait for is hidden by the others under way, as far as those take as long.
  const round = onTheWire(bucketBytes) / ROUNDS;
  const lost = Math.max(0, latency - (UNDER_WAY - 1) * round);
  const turns = (Math.ceil(bytes / bucketBytes / UNDER_WAY) - 1) * ROUNDS;
  const starting = 2 * latency * Math.max(0, Math.log2((2 * latency * rate) / (FIRST_WINDOW * SEGMENT)));
  const communicationSeconds =
    machines > 1 ? onTheWire(bytes) + ROUNDS * latency + turns * lost + starting : 0;
  const estimate = { machines, bytesSentPerStep, communicationSeconds };
  if (trainingMsPerImage === undefined) return estimate;
  // The machine with the largest share sets the pace.
  const share = Math.ceil(batch / machines);
  const last = ((share - 1) % microBatchOf(request)) + 1;
  const backward = (BACKWARD_SHARE * last * trainingMsPerImage) / 1000;
  // What comes last is final only when the pass is over.
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
