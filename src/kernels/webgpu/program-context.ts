/// <reference types="@webgpu/types" />
/** Shared by a program's dispatches: parameters, kernel choices, and buffers that the layers use in turn. */
import type { Memory } from './buffers.ts';
import type { Gpu } from './gpu.ts';
import type { GpuParameters } from './gpu-parameters.ts';
import { isConvolution, type PlacedStage, paddedCount } from './stages.ts';
import type { Choose, Direction } from './tuning/candidates.ts';
import { gradientSplits, planFor } from './winograd-plan.ts';

interface Given {
  readonly parameters: Pick<GpuParameters, 'panelsOf'>;
  /** Chooses the kernel of each convolution. */
  readonly choose: Choose;
  /** The uniform buffer for the values that differ between calls. */
  readonly call: GPUBuffer;
  /** Dropout keys `[n, 2]`, in training. */
  readonly keys?: GPUBuffer;
}

export interface Context extends Given {
  readonly points: PointBuffers;
  /** Holds the parts of split sums, for one layer at a time. */
  readonly parts: GPUBuffer;
  /** Number of workgroups that keeps the device busy; sums are split to reach it. */
  readonly busy: number;
  /** Whether reductions use subgroups. */
  readonly subgroups: boolean;
  /** Creates a uniform buffer that lives as long as the program. */
  uniform(bytes: ArrayBuffer): GPUBuffer;
}

/** Buffers for values at the points of Winograd's method. */
export interface PointBuffers {
  readonly source: GPUBuffer;
  readonly result: GPUBuffer;
  /** Returns a buffer of float32 values, for transformed weights or the products of their gradient. */
  weights(values: number): GPUBuffer;
}

/**
 * Allocates the buffers that the convolutions of a program share.
 * @param keepWeights whether each layer has its own buffer of transformed weights, so that inference can reuse them
 */
export function contextFor(
  { tiles: { busy }, subgroups }: Gpu,
  memory: Memory,
  given: Given,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
  keepWeights: boolean,
): Context {
  const needs = { source: 4, result: 4, weights: 4, parts: 4 };
  const need = (which: keyof typeof needs, values: number) => {
    needs[which] = Math.max(needs[which], values);
  };
  for (const placed of stages.filter(isConvolution)) {
    for (const direction of directions) {
      const choice = given.choose(direction, placed);
      if (choice.method === 'direct') {
        const result = direction === 'backward' ? placed.input : placed.output;
        if (choice.splits) need('parts', choice.splits * paddedCount(result));
        continue;
      }
      const plan = planFor(direction, placed, choice.size);
      const { points } = plan;
      const { tiles, inVectors, outVectors } = plan.shape;
      const splits = direction === 'weights' ? gradientSplits(plan, choice.tile, busy) : 1;
      need('source', 4 * points * tiles * inVectors);
      need('result', 4 * points * tiles * outVectors);
      need('weights', 16 * splits * points * inVectors * outVectors);
    }
  }
  let shared: GPUBuffer | undefined;
  const weights = (values: number) => memory.storage('transformed weights', values);
  const points: PointBuffers = {
    source: memory.storage('a transformed layer', needs.source),
    result: memory.storage('a transformed layer', needs.result),
    weights: (values) => {
      if (keepWeights) return weights(values);
      shared ??= weights(needs.weights);
      return shared;
    },
  };
  const parts = memory.storage('parts of sums', needs.parts);
  return { ...given, points, parts, busy, subgroups, uniform: (bytes) => memory.uniform(bytes) };
}
