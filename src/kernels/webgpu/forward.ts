/** Plans the forward pass of each stage. */
import type { Shape4 } from '../../core/shape.ts';
import { type Dispatch, numbers, perImage } from './dispatch.ts';
import { type Binding, groupsFor } from './gpu.ts';
import type { Context } from './program-context.ts';
import { adaptivePool } from './shaders/adaptive-pool.ts';
import {
  addSplits,
  CONVOLUTION_FIELDS,
  type ConvolutionShape,
  type GatherVariant,
  gatherConvolution,
} from './shaders/gather-convolution.ts';
import { TO_FACTORS } from './shaders/layout-conversions.ts';
import { LRN_FORWARD } from './shaders/lrn.ts';
import { MAX_POOL } from './shaders/max-pool.ts';
import type { Tile } from './shaders/product.ts';
import { dropout, RELU } from './shaders/relu-and-dropout.ts';
import {
  imageVectorsOf,
  isConvolution,
  type PlacedConvolution,
  type PlacedStage,
  pixelsOf,
  vectorsOf,
} from './stages.ts';
import type { Panel } from './weight-panels.ts';
import { winogradDispatches } from './winograd-dispatches.ts';

const LARGEST_GROUPS = 65_535;

export function forwardDispatches(
  context: Context,
  placed: PlacedStage,
  x: GPUBuffer,
  y: GPUBuffer,
): Dispatch[] {
  return isConvolution(placed) ? convolution(context, placed, x, y) : [simpleForward(context, placed, x, y)];
}

function simpleForward(context: Context, placed: PlacedStage, x: GPUBuffer, y: GPUBuffer): Dispatch {
  const { stage, input, output } = placed;
  const fields = shapeOf(placed);
  switch (stage.kind) {
    case 'relu':
      return elementwise(context, RELU, fields, [x, y], imageVectorsOf(input));
    case 'maxPool':
      return elementwise(context, MAX_POOL, fields, [x, y], imageVectorsOf(output));
    case 'adaptivePool':
      return elementwise(context, adaptivePool(stage.layer), fields, [x, y], imageVectorsOf(output));
    case 'lrn':
      return elementwise(context, LRN_FORWARD, fields, [x, y], 4 * imageVectorsOf(input));
    case 'dropout':
      return elementwise(context, dropout('forward'), fields, [context.keys!, x, y], imageVectorsOf(input));
    default:
      throw new TypeError(`${stage.kind} is not a simple stage`);
  }
}

/** Dispatches one thread for each of the `elements` of an image. Bindings: call, shape, then `buffers`. */
export function elementwise(
  { call, uniform }: Context,
  code: string,
  fields: ArrayBuffer,
  buffers: readonly Binding[],
  elements: number,
): Dispatch {
  return { code, bindings: [call, uniform(fields), ...buffers], groups: perImage(elements) };
}

/** `Shape` in the shaders of a stage other than a convolution, forward and backward. */
export function shapeOf({ stage, input, output }: PlacedStage): ArrayBuffer {
  switch (stage.kind) {
    case 'maxPool':
      return numbers(input[2], input[3], vectorsOf(input), output[2], output[3]);
    case 'adaptivePool':
      return numbers(input[2], input[3], vectorsOf(input), stage.layer.side);
    case 'lrn': {
      const { size, k, alpha, beta } = stage.layer;
      const reals = [{ float: k }, { float: alpha }, { float: beta }];
      return numbers(pixelsOf(input), vectorsOf(input), input[1], (size - 1) / 2, ...reals);
    }
    case 'dropout': {
      const { rate } = stage.layer;
      const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
      const scale = { float: 1 / (1 - rate) };
      return numbers(pixelsOf(input), vectorsOf(input), stage.ordinal, threshold, scale);
    }
    default:
      return numbers(imageVectorsOf(input));
  }
}

function convolution(context: Context, placed: PlacedConvolution, x: GPUBuffer, y: GPUBuffer): Dispatch[] {
  const { stage, input, output } = placed;
  const { name, kernel, padding } = stage.layer;
  const { relu } = stage;
  const choice = context.choose('forward', placed);
  const panels = context.parameters.panelsOf(`${name}.weight`);
  const bias = context.parameters.panelsOf(`${name}.bias`)[0]!.buffers.values!;
  if (choice.method === 'winograd') {
    const buffers = [x, panels[0]!.buffers.values!, y, bias] as const;
    return winogradDispatches(context, 'forward', placed, choice, { bias: true, relu }, buffers);
  }
  return panels.flatMap((panel) => {
    const shape = {
      ...sourceShape(input, 0, vectorsOf(input)),
      ...resultShape(output, panel.first, panel.vectors),
      kernel,
      padding,
      splits: choice.splits ?? 1,
    };
    const variant = { direction: 'forward', relu } as const;
    return [
      ...toFactors(context, panel),
      ...gatherInParts(context, variant, choice.tile, shape, [x, panel.factors, y, bias]),
    ];
  });
}

/** @param offset of the panel's first channels, in vectors */
export function sourceShape(shape: Shape4, offset: number, vectors: number) {
  const [, , inHeight, inWidth] = shape;
  return { inHeight, inWidth, inStride: vectorsOf(shape), inOffset: offset, inVectors: vectors };
}

/** @param offset of the panel's first channels, in vectors */
export function resultShape(shape: Shape4, offset: number, vectors: number) {
  const [, , outHeight, outWidth] = shape;
  return { outHeight, outWidth, outStride: vectorsOf(shape), outOffset: offset, outVectors: vectors };
}

/** Dispatches a convolution in either direction, whose sum may be split into parts. @param buffers as for `gather` */
export function gatherInParts(
  context: Context,
  variant: GatherVariant,
  tile: Tile,
  shape: ConvolutionShape,
  buffers: readonly [GPUBuffer, GPUBuffer, ...GPUBuffer[]],
): Dispatch[] {
  if (shape.splits === 1) return [gather(context, variant, tile, shape, buffers)];
  const { parts } = context;
  const [source, factors, ...result] = buffers;
  const elements = shape.outHeight * shape.outWidth * shape.outVectors;
  return [
    gather(context, { ...variant, split: true }, tile, shape, [source, factors, parts]),
    elementwise(context, addSplits(variant), fieldsOf(shape), [parts, ...result], elements),
  ];
}

export function fieldsOf(shape: ConvolutionShape): ArrayBuffer {
  return numbers(...CONVOLUTION_FIELDS.map((field) => shape[field]));
}

/** Dispatches the copy of weights to factors, or nothing where the weights themselves are the factors. */
export function toFactors(context: Context, { buffers, factors, size }: Panel): Dispatch[] {
  if (factors === buffers.values) return [];
  return [
    {
      code: TO_FACTORS,
      bindings: [context.uniform(numbers(size)), buffers.values!, factors],
      groups: () => groupsFor(size),
      ofWeights: true,
    },
  ];
}

/** Dispatches a convolution in either direction. @param buffers source, weights, result, then the variant's */
function gather(
  context: Context,
  variant: GatherVariant,
  tile: Tile,
  shape: ConvolutionShape,
  buffers: readonly Binding[],
): Dispatch {
  return {
    code: gatherConvolution(variant, tile),
    bindings: [context.call, context.uniform(fieldsOf(shape)), ...buffers],
    algorithm: 'implicit GEMM',
    groups: (images) => {
      const rows = images * shape.outHeight * shape.outWidth;
      const down = Math.ceil(rows / (tile.threadsY * tile.rows));
      const x = Math.min(down, LARGEST_GROUPS);
      const y = Math.ceil(shape.outVectors / (tile.threadsX * tile.columns));
      return [x, y, variant.split ? shape.splits : Math.ceil(down / x)];
    },
  };
}
