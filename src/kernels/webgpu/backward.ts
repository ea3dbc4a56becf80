/** The kernels of a backward pass, stage by stage: gradients of parameters, and of each stage's input. */

import { isConvolution, isWhole, type PlacedConvolution } from './choices.ts';
import { groupsFor } from './device.ts';
import { type Dispatch, numbers, perImage } from './dispatch.ts';
import { type Context, dropoutShape, gatherInParts, lrnShape, mapShape, toFactors } from './forward.ts';
import { workOf } from './kernel-clock.ts';
import type { Panel } from './parameters.ts';
import type { GatherShape } from './shaders/gather-convolution.ts';
import { dropout, lrnBackward, maxPoolBackward, RELU_BACKWARD } from './shaders/layers.ts';
import {
  biasGradient,
  SUM_SPLITS,
  tilesDown,
  WEIGHT_GRADIENT_FIELDS,
  weightGradient,
} from './shaders/weight-gradient.ts';
import { type PlacedStage, pixelsOf, vectorsOf } from './stages.ts';
import { winogradDispatches } from './winograd.ts';
import { winogradWeightGradient } from './winograd-weights.ts';

/** A split's share of pixels is at least so large. */
const FEWEST_PIXELS = 512;
/** Sums of splits take no more memory than this, in bytes. */
const MOST_SUMS = 64 * 2 ** 20;
/** Pixels in a chunk of a bias's gradient. */
const CHUNK = 4096;

/** The tensors that a stage's backward pass is between. */
export interface Between {
  /** The stage's input, as the forward pass left it. */
  readonly x: GPUBuffer;
  readonly dy: GPUBuffer;
  /** Where the input's gradient goes; undefined where nobody wants it. */
  readonly dx: GPUBuffer | undefined;
  /** Sums of splits: large enough for every stage (`sumsFor`). */
  readonly sums: GPUBuffer;
}

export function backwardDispatches(context: Context, placed: PlacedStage, between: Between): Dispatch[] {
  const { layer } = placed;
  const { x, dy, dx } = between;
  if (isConvolution(placed)) {
    const parameters = [
      ...biasGradients(context, placed, between),
      ...weightGradients(context, placed, between),
    ];
    return [
      ...workOf(layer, 'weight gradient', parameters),
      ...(dx ? workOf(layer, 'input gradient', inputGradient(context, placed, x, dy, dx)) : []),
    ];
  }
  return dx ? workOf(layer, 'backward', [simpleBackward(context, placed, x, dy, dx)]) : [];
}

function simpleBackward(
  context: Context,
  placed: PlacedStage,
  x: GPUBuffer,
  dy: GPUBuffer,
  dx: GPUBuffer,
): Dispatch {
  const { stage, input, output, afterRelu } = placed;
  const { call } = context;
  const vectors = pixelsOf(input) * vectorsOf(input);
  switch (stage.kind) {
    case 'relu':
      return {
        code: RELU_BACKWARD,
        bindings: [call, context.uniform(numbers(vectors)), x, dy, dx],
        groups: perImage(vectors),
      };
    case 'maxPool': {
      const windows = Math.ceil(input[2] / 2) * Math.ceil(input[3] / 2) * vectorsOf(input);
      return {
        code: maxPoolBackward(afterRelu),
        bindings: [call, context.uniform(mapShape(input, output)), x, dy, dx],
        groups: perImage(windows),
      };
    }
    case 'lrn':
      return {
        code: lrnBackward(afterRelu),
        bindings: [call, context.uniform(lrnShape(placed)), x, dy, dx],
        groups: perImage(4 * vectors),
      };
    case 'dropout':
      return {
        code: dropout('backward', afterRelu),
        bindings: [
          call,
          context.uniform(dropoutShape(placed)),
          context.keys!,
          dy,
          dx,
          ...(afterRelu ? [x] : []),
        ],
        groups: perImage(vectors),
      };
    default:
      throw new TypeError(`${stage.kind} has a backward pass of its own`);
  }
}

/** ∂y where the convolution that ends a chain has its ReLU inside: 0 where y is 0. */
export function maskOutputGradient(
  context: Context,
  { output }: PlacedStage,
  y: GPUBuffer,
  dy: GPUBuffer,
  masked: GPUBuffer,
): Dispatch {
  const vectors = pixelsOf(output) * vectorsOf(output);
  return {
    code: RELU_BACKWARD,
    bindings: [context.call, context.uniform(numbers(vectors)), y, dy, masked],
    groups: perImage(vectors),
  };
}

export function inputGradient(
  context: Context,
  placed: PlacedConvolution,
  x: GPUBuffer,
  dy: GPUBuffer,
  dx: GPUBuffer,
): Dispatch[] {
  const { stage, output, afterRelu } = placed;
  const { name } = stage.layer;
  const choice = context.choose('backward', placed);
  const { tile } = choice;
  if (choice.method === 'winograd') {
    const [panel] = context.parameters.panelsOf(`${name}.weight`);
    const buffers = [dy, panel!.buffers.values!, dx, ...(afterRelu ? [x] : [])] as const;
    const variant = { bias: false, masked: afterRelu };
    return winogradDispatches(context, 'backward', placed, choice, variant, buffers);
  }
  const { splits = 1 } = choice;
  const copied = context.choose('forward', placed).method === 'direct';
  return context.parameters.panelsOf(`${name}.weight`).flatMap((panel, index) => {
    const shape = {
      inHeight: output[2],
      inWidth: output[3],
      inStride: vectorsOf(output),
      inOffset: panel.first,
      inVectors: panel.vectors,
      ...inputGradientShape(placed),
      splits,
    };
    const variant = { direction: 'backward', masked: afterRelu, accumulate: index > 0 } as const;
    return [
      ...(copied ? [] : toFactors(context, panel)),
      ...gatherInParts(context, variant, tile, shape, [dy, panel.factors, dx, ...(afterRelu ? [x] : [])]),
    ];
  });
}

/**
 * Of the convolution that makes the input's gradient. A kernel that covers the whole map, as fc6's, is one of 1×1 whose
 * channels are all values of the map, and lies in memory as such: pixel by pixel only one tap would not miss the source.
 */
function inputGradientShape(
  placed: PlacedConvolution,
): Pick<
  GatherShape,
  'outHeight' | 'outWidth' | 'outStride' | 'outOffset' | 'outVectors' | 'kernel' | 'padding'
> {
  const { kernel, padding } = placed.stage.layer;
  const { input } = placed;
  const whole = isWhole(placed);
  const vectors = vectorsOf(input) * (whole ? kernel ** 2 : 1);
  return {
    outHeight: whole ? 1 : input[2],
    outWidth: whole ? 1 : input[3],
    outStride: vectors,
    outOffset: 0,
    outVectors: vectors,
    kernel: whole ? 1 : kernel,
    padding: whole ? 0 : kernel - 1 - padding,
  };
}

export function weightGradients(
  context: Context,
  placed: PlacedConvolution,
  { x, dy, sums }: Between,
): Dispatch[] {
  const { stage, input, output } = placed;
  const { name, kernel, padding } = stage.layer;
  const choice = context.choose('weights', placed);
  const { tile } = choice;
  if (choice.method === 'winograd') {
    const [panel] = context.parameters.panelsOf(`${name}.weight`);
    return winogradWeightGradient(context, placed, choice, [x, dy, panel!.buffers.gradients!]);
  }
  return context.parameters.panelsOf(`${name}.weight`).flatMap((panel) => {
    const splits = splitsOf(context, placed, panel);
    const shape: Record<(typeof WEIGHT_GRADIENT_FIELDS)[number], number> = {
      inHeight: input[2],
      inWidth: input[3],
      inVectors: vectorsOf(input),
      outHeight: output[2],
      outWidth: output[3],
      outStride: vectorsOf(output),
      outOffset: panel.first,
      outVectors: panel.vectors,
      kernel,
      padding,
      splits,
    };
    const fields = context.uniform(numbers(...WEIGHT_GRADIENT_FIELDS.map((field) => shape[field])));
    const result = splits > 1 ? sums : panel.buffers.gradients!;
    const groups = [
      tilesDown(tile, kernel, vectorsOf(input)),
      Math.ceil(panel.vectors / (tile.threadsX * tile.columns)),
      splits,
    ] as const;
    const product: Dispatch = {
      code: weightGradient(splits > 1, tile),
      bindings: [context.call, fields, x, dy, result],
      algorithm: 'implicit GEMM',
      groups: () => groups,
    };
    if (splits === 1) return [product];
    return [product, addSums(context, panel.size, splits, sums, panel.buffers.gradients!)];
  });
}

function addSums(
  context: Context,
  vectors: number,
  splits: number,
  sums: GPUBuffer,
  gradient: GPUBuffer,
): Dispatch {
  return {
    code: SUM_SPLITS,
    bindings: [context.uniform(numbers(vectors, splits)), sums, gradient],
    groups: () => groupsFor(vectors),
  };
}

type Needs = Pick<Context, 'choose' | 'busy' | 'parameters'>;

/** A long sum into few tiles is cut, so that the device has enough workgroups. */
function splitsOf({ choose, busy }: Needs, placed: PlacedConvolution, panel: Panel): number {
  const { stage, input, output } = placed;
  const { method, tile } = choose('weights', placed);
  if (method === 'winograd') return 1;
  const down = tilesDown(tile, stage.layer.kernel, vectorsOf(input));
  const across = Math.ceil(panel.vectors / (tile.threadsX * tile.columns));
  const wanted = Math.ceil(busy / (down * across));
  const pixels = output[0] * pixelsOf(output);
  return Math.max(
    1,
    Math.min(wanted, Math.floor(pixels / FEWEST_PIXELS), Math.floor(MOST_SUMS / (16 * panel.size))),
  );
}

function chunksOf({ output }: PlacedStage): number {
  return Math.max(1, Math.ceil((output[0] * pixelsOf(output)) / CHUNK));
}

/** float32 values that `Between.sums` must hold for a stage. */
export function sumsFor(context: Needs, placed: PlacedStage): number {
  if (!isConvolution(placed)) return 0;
  const { stage, output } = placed;
  const weights = context.parameters.panelsOf(`${stage.layer.name}.weight`).map((panel) => {
    const splits = splitsOf(context, placed, panel);
    return splits > 1 ? 4 * splits * panel.size : 0;
  });
  return Math.max(4 * chunksOf(placed) * vectorsOf(output), ...weights);
}

function biasGradients(context: Context, placed: PlacedConvolution, { dy, sums }: Between): Dispatch[] {
  const { name } = placed.stage.layer;
  const vectors = vectorsOf(placed.output);
  const chunks = chunksOf(placed);
  const [bias] = context.parameters.panelsOf(`${name}.bias`);
  return [
    {
      code: biasGradient(context.subgroups),
      bindings: [context.call, context.uniform(numbers(pixelsOf(placed.output), vectors, chunks)), dy, sums],
      groups: () => [vectors, chunks],
    },
    addSums(context, vectors, chunks, sums, bias!.buffers.gradients!),
  ];
}
