/// <reference types="@webgpu/types" />
/** Winograd's method as dispatches: a layer's weights to the points, then chunk by chunk there, multiplied, and back. */
import { type Direction, isConvolution, type PlacedConvolution } from './choices.ts';
import { type Binding, groupsFor } from './device.ts';
import { type Dispatch, type Groups, numbers } from './dispatch.ts';
import type { Context } from './forward.ts';
import type { Memory } from './memory.ts';
import {
  inputToPoints,
  type OutputVariant,
  pointsToOutput,
  TRANSFORM_GROUP,
  WINOGRAD_FIELDS,
  weightsToPoints,
} from './shaders/winograd.ts';
import { pointProduct } from './shaders/winograd-product.ts';
import { schemeOf } from './shaders/winograd-scheme.ts';
import type { PlacedStage } from './stages.ts';
import { gradientSplits, type Plan, planFor, type WinogradChoice } from './winograd-plan.ts';

/** Where values at the points are kept. */
export interface PointBuffers {
  readonly source: GPUBuffer;
  readonly result: GPUBuffer;
  /**
   * A buffer of so many float32 values, for weights or the products of their gradient; in inference each layer's own,
   * as its weights stay.
   */
  weights(values: number): GPUBuffer;
}

/** @param extra the bias, and with `masked` the layer's input */
export function winogradDispatches(
  context: Context,
  direction: 'forward' | 'backward',
  placed: PlacedConvolution,
  { size, tile }: WinogradChoice,
  variant: OutputVariant,
  [source, weights, result, ...extra]: readonly [GPUBuffer, GPUBuffer, GPUBuffer, ...Binding[]],
): Dispatch[] {
  const plan = planFor(direction, placed, size);
  const { shape, points } = plan;
  const { call, points: buffers } = context;
  const scheme = schemeOf(size);
  const { inVectors, outVectors } = shape;
  const pointWeights = buffers.weights(points * 16 * inVectors * outVectors);
  const algorithm = `Winograd F(${size}×${size})`;
  const dispatches: Dispatch[] = [
    {
      code: weightsToPoints(scheme, direction === 'backward'),
      bindings: [context.uniform(numbers(inVectors, outVectors)), weights, pointWeights],
      groups: () => groupsFor(4 * inVectors * outVectors),
      ofWeights: true,
      algorithm,
    },
  ];
  for (const { fields, count, transform } of chunksOf(context, plan)) {
    dispatches.push(
      {
        code: inputToPoints(scheme),
        bindings: [call, fields, source, buffers.source],
        groups: (images) => transform(images, inVectors),
        algorithm,
      },
      {
        code: pointProduct(tile),
        bindings: [call, fields, buffers.source, pointWeights, buffers.result],
        groups: (images) => [
          Math.ceil(count(images) / (tile.threadsY * tile.rows)),
          Math.ceil(outVectors / (tile.threadsX * tile.columns)),
          points,
        ],
        algorithm,
      },
      {
        code: pointsToOutput(scheme, variant),
        bindings: [call, fields, buffers.result, result, ...extra],
        groups: (images) => transform(images, outVectors),
        algorithm,
      },
    );
  }
  return dispatches;
}

interface Chunk {
  /** The shaders' Shape. */
  readonly fields: GPUBuffer;
  /** How many tiles it has of so many images. */
  readonly count: (images: number) => number;
  /** Workgroups of a transform of so many vectors a tile. */
  readonly transform: (images: number, vectors: number) => Groups;
}

export function chunksOf(context: Context, { shape, chunks, tilesOf }: Plan): Chunk[] {
  return Array.from({ length: chunks }, (_, chunk) => {
    const here = { ...shape, firstTile: chunk * shape.tiles };
    const count = (images: number) => Math.max(0, Math.min(tilesOf(images) - here.firstTile, here.tiles));
    return {
      fields: context.uniform(numbers(...WINOGRAD_FIELDS.map((field) => here[field]))),
      count,
      transform: (images, vectors) =>
        count(images) === 0 ? [0] : groupsFor(count(images) * vectors, TRANSFORM_GROUP),
    };
  });
}

/** Buffers for all layers in turn. @param keepWeights whether each layer's weights at the points have their own */
export function pointBuffers(
  memory: Memory,
  { choose, busy }: Pick<Context, 'choose' | 'busy'>,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
  keepWeights: boolean,
): PointBuffers {
  const needs = { source: 4, result: 4, weights: 4 };
  for (const placed of stages.filter(isConvolution)) {
    for (const direction of directions) {
      const choice = choose(direction, placed);
      if (choice.method !== 'winograd') continue;
      const plan = planFor(direction, placed, choice.size);
      const { points } = plan;
      const { tiles, inVectors, outVectors } = plan.shape;
      const splits = direction === 'weights' ? gradientSplits(plan, choice.tile, busy) : 1;
      needs.source = Math.max(needs.source, 4 * points * tiles * inVectors);
      needs.result = Math.max(needs.result, 4 * points * tiles * outVectors);
      needs.weights = Math.max(needs.weights, 16 * splits * points * inVectors * outVectors);
    }
  }
  let shared: GPUBuffer | undefined;
  const weights = (values: number) => memory.storage('transformed weights', values);
  return {
    source: memory.storage('a transformed layer', needs.source),
    result: memory.storage('a transformed layer', needs.result),
    weights: (values) => {
      if (keepWeights) return weights(values);
      shared ??= weights(needs.weights);
      return shared;
    },
  };
}
