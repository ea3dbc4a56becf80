/// <reference types="@webgpu/types" />
/**
 * Winograd's method as dispatches: transform the weights; then, chunk by chunk, transform the inputs, multiply, and
 * transform the results back. For the weights' gradient, the results are transformed back only once, after all chunks.
 */

import { type Dispatch, type Groups, numbers } from './dispatch.ts';
import { type Binding, groupsFor } from './gpu.ts';
import type { Context } from './program-context.ts';
import { pointProduct } from './shaders/winograd-product.ts';
import { schemeOf, type TileSize } from './shaders/winograd-scheme.ts';
import {
  inputToPoints,
  type OutputVariant,
  pointsToOutput,
  TRANSFORM_GROUP,
  WINOGRAD_FIELDS,
  weightsToPoints,
} from './shaders/winograd-transforms.ts';
import { gradientToPoints, pointGradients, pointsToWeights } from './shaders/winograd-weight-gradient.ts';
import type { PlacedConvolution } from './stages.ts';
import { gradientGroups, gradientSplits, type Plan, planFor, type WinogradChoice } from './winograd-plan.ts';

/** @param extra the bias or, with `masked`, the layer's input */
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
  const dispatches: Dispatch[] = [
    {
      code: weightsToPoints(scheme, direction === 'backward'),
      bindings: [context.uniform(numbers(inVectors, outVectors)), weights, pointWeights],
      groups: () => groupsFor(4 * inVectors * outVectors),
      ofWeights: true,
    },
  ];
  for (const { fields, count, transform } of chunksOf(context, plan)) {
    dispatches.push(
      transform(inputToPoints(scheme), inVectors, [source, buffers.source]),
      {
        code: pointProduct(tile),
        bindings: [call, fields, buffers.source, pointWeights, buffers.result],
        groups: (images) => [
          Math.ceil(count(images) / (tile.threadsY * tile.rows)),
          Math.ceil(outVectors / (tile.threadsX * tile.columns)),
          points,
        ],
      },
      transform(pointsToOutput(scheme, variant), outVectors, [buffers.result, result, ...extra]),
    );
  }
  return named(size, dispatches);
}

/** Accumulates into `gradient`. */
export function winogradWeightGradient(
  context: Context,
  placed: PlacedConvolution,
  { size, tile }: WinogradChoice,
  [x, dy, gradient]: readonly [GPUBuffer, GPUBuffer, GPUBuffer],
): Dispatch[] {
  const plan = planFor('weights', placed, size);
  const { call, points: buffers } = context;
  const { points } = plan;
  const { inVectors, outVectors } = plan.shape;
  const scheme = schemeOf(size);
  const splits = gradientSplits(plan, tile, context.busy);
  const products = buffers.weights(splits * points * 16 * inVectors * outVectors);
  const groups: Groups = [...gradientGroups(plan, tile), points * splits];
  const dispatches = chunksOf(context, plan).flatMap(({ fields, count, transform }): Dispatch[] => [
    transform(inputToPoints(scheme), inVectors, [x, buffers.source]),
    transform(gradientToPoints(scheme), outVectors, [dy, buffers.result]),
    {
      code: pointGradients(scheme, tile),
      bindings: [call, fields, buffers.source, buffers.result, products],
      groups: (images) => (count(images) === 0 ? [0] : groups),
    },
  ]);
  const fields = context.uniform(numbers(inVectors, outVectors, splits));
  const back: Dispatch = {
    code: pointsToWeights(scheme),
    bindings: [call, fields, products, gradient],
    groups: () => groupsFor(4 * inVectors * outVectors, TRANSFORM_GROUP),
  };
  return named(size, [...dispatches, back]);
}

function named(size: TileSize, dispatches: readonly Dispatch[]): Dispatch[] {
  return dispatches.map((dispatch) => ({ ...dispatch, algorithm: `Winograd F(${size}×${size})` }));
}

interface Chunk {
  /** `Shape` in the shaders. */
  readonly fields: GPUBuffer;
  /** Number of tiles in this chunk for `images` images. */
  readonly count: (images: number) => number;
  /** Dispatches a transform of the chunk's tiles. @param vectors of channels per tile */
  readonly transform: (code: string, vectors: number, buffers: readonly Binding[]) => Dispatch;
}

function chunksOf(context: Context, { shape, chunks, tilesOf }: Plan): Chunk[] {
  return Array.from({ length: chunks }, (_, chunk) => {
    const here = { ...shape, firstTile: chunk * shape.tiles };
    const fields = context.uniform(numbers(...WINOGRAD_FIELDS.map((field) => here[field])));
    const count = (images: number) => Math.max(0, Math.min(tilesOf(images) - here.firstTile, here.tiles));
    const transform: Chunk['transform'] = (code, vectors, buffers) => ({
      code,
      bindings: [context.call, fields, ...buffers],
      groups: (images) => (count(images) === 0 ? [0] : groupsFor(count(images) * vectors, TRANSFORM_GROUP)),
    });
    return { fields, count, transform };
  });
}
