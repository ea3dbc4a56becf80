/// <reference types="@webgpu/types" />
/** Winograd's method as dispatches: a layer's weights to the points, then chunk by chunk there, multiplied, and back. */
import {
  type Choice,
  type Choose,
  type Direction,
  isConvolution,
  type PlacedConvolution,
} from './choices.ts';
import { type Binding, groupsFor } from './device.ts';
import { type Dispatch, numbers } from './dispatch.ts';
import type { Context } from './forward.ts';
import type { Memory } from './memory.ts';
import {
  inputToPoints,
  type OutputVariant,
  pointsToOutput,
  TRANSFORM_GROUP,
  WINOGRAD_FIELDS,
  type WinogradShape,
  weightsToPoints,
} from './shaders/winograd.ts';
import { pointProduct } from './shaders/winograd-product.ts';
import { schemeOf, type TileSize } from './shaders/winograd-scheme.ts';
import { type PlacedStage, vectorsOf } from './stages.ts';

/**
 * What a chunk has at the points takes no more than this on either side of the product, in bytes: little enough for the
 * last cache of a large GPU, and enough tiles for 500 workgroups.
 */
const CHUNK = 32 * 2 ** 20;

/** Where values at the points are kept. */
export interface PointBuffers {
  readonly source: GPUBuffer;
  readonly result: GPUBuffer;
  /** A buffer of so many float32 values; in inference each layer's own, as its weights stay. */
  weights(values: number): GPUBuffer;
}

export type WinogradChoice = Choice & { readonly method: 'winograd'; readonly size: TileSize };

interface Plan {
  readonly shape: WinogradShape;
  readonly chunks: number;
  readonly points: number;
  readonly tilesOf: (images: number) => number;
}

/** In the backward pass, the input's gradient is the result of a convolution of the output's. */
function planFor(direction: Direction, { stage, input, output }: PlacedConvolution, size: TileSize): Plan {
  const [source, result] = direction === 'forward' ? [input, output] : [output, input];
  const { padding } = stage.layer;
  const [images, , outHeight, outWidth] = result;
  const [inVectors, outVectors] = [vectorsOf(source), vectorsOf(result)];
  const [tilesDown, tilesAcross] = [Math.ceil(outHeight / size), Math.ceil(outWidth / size)];
  const points = (size + 2) ** 2;
  const all = images * tilesDown * tilesAcross;
  const fitting = Math.max(1, Math.floor(CHUNK / (16 * points * Math.max(inVectors, outVectors))));
  const chunks = Math.ceil(all / fitting);
  const shape = {
    inHeight: source[2],
    inWidth: source[3],
    inVectors,
    outHeight,
    outWidth,
    outVectors,
    tilesDown,
    tilesAcross,
    firstTile: 0,
    tiles: Math.ceil(all / chunks),
    padding: direction === 'forward' ? padding : 2 - padding,
  };
  return { shape, chunks, points, tilesOf: (count) => count * tilesDown * tilesAcross };
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
  const { shape, chunks, points, tilesOf } = planFor(direction, placed, size);
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
  for (let chunk = 0; chunk < chunks; chunk++) {
    const here = { ...shape, firstTile: chunk * shape.tiles };
    const fields = context.uniform(numbers(...WINOGRAD_FIELDS.map((field) => here[field])));
    const count = (images: number) => Math.max(0, Math.min(tilesOf(images) - here.firstTile, here.tiles));
    const transform = (images: number, vectors: number) =>
      count(images) === 0 ? ([0] as const) : groupsFor(count(images) * vectors, TRANSFORM_GROUP);
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

/** Buffers for all layers in turn. @param keepWeights whether each layer's weights at the points have their own */
export function pointBuffers(
  memory: Memory,
  choose: Choose,
  stages: readonly PlacedStage[],
  directions: readonly ('forward' | 'backward')[],
  keepWeights: boolean,
): PointBuffers {
  const needs = { source: 4, result: 4, weights: 4 };
  for (const placed of stages.filter(isConvolution)) {
    for (const direction of directions) {
      const choice = choose(direction, placed);
      if (choice.method !== 'winograd') continue;
      const { shape, points } = planFor(direction, placed, choice.size);
      const { tiles, inVectors, outVectors } = shape;
      needs.source = Math.max(needs.source, 4 * points * tiles * inVectors);
      needs.result = Math.max(needs.result, 4 * points * tiles * outVectors);
      needs.weights = Math.max(needs.weights, 16 * points * inVectors * outVectors);
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
