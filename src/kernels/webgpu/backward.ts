/** Plans the backward pass of each stage: the gradients of its parameters and of its input. */

import { type Dispatch, numbers } from './dispatch.ts';
import {
  elementwise,
  fieldsOf,
  gatherInParts,
  resultShape,
  shapeOf,
  sourceShape,
  toFactors,
} from './forward.ts';
import { groupsFor } from './gpu.ts';
import { workOf } from './gpu-clock.ts';
import type { Context } from './program-context.ts';
import { adaptivePoolBackward } from './shaders/adaptive-pool.ts';
import { lrnBackward } from './shaders/lrn.ts';
import { maxPoolBackward } from './shaders/max-pool.ts';
import { dropout, RELU_BACKWARD } from './shaders/relu-and-dropout.ts';
import { biasGradient, SUM_SPLITS, tilesDown, weightGradient } from './shaders/weight-gradient.ts';
import {
  batchPixelsOf,
  coversMap,
  imageVectorsOf,
  isConvolution,
  type PlacedConvolution,
  type PlacedStage,
  pixelsOf,
  vectorsOf,
} from './stages.ts';
import type { Panel } from './weight-panels.ts';
import { winogradDispatches, winogradWeightGradient } from './winograd-dispatches.ts';

/** Smallest number of pixels per split. */
const FEWEST_PIXELS = 512;
/** Largest memory for the splits' sums, in bytes. */
const MOST_SUMS = 64 * 2 ** 20;
/** Pixels per chunk of a bias's gradient. */
const CHUNK = 4096;

/** The buffers of a stage's backward pass. */
export interface Between {
  /** The stage's input, kept from the forward pass. */
  readonly x: GPUBuffer;
  readonly dy: GPUBuffer;
  /** Receives the input's gradient. Undefined if not needed. */
  readonly dx: GPUBuffer | undefined;
  /** Holds the sums of splits; large enough for every stage (`sumsFor`). */
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
  const fields = shapeOf(placed);
  const vectors = imageVectorsOf(input);
  switch (stage.kind) {
    case 'relu':
      return reluBackward(context, placed, x, dy, dx);
    case 'maxPool': {
      const windows = Math.ceil(input[2] / 2) * Math.ceil(input[3] / 2) * vectorsOf(input);
      return elementwise(context, maxPoolBackward(afterRelu), fields, [x, dy, dx], windows);
    }
    case 'adaptivePool': {
      const code = adaptivePoolBackward(stage.layer, afterRelu);
      if (stage.layer.method === 'max') {
        return elementwise(context, code, fields, [x, dy, dx], imageVectorsOf(output));
      }
      return elementwise(context, code, fields, [dy, dx, ...(afterRelu ? [x] : [])], vectors);
    }
    case 'lrn':
      return elementwise(context, lrnBackward(afterRelu), fields, [x, dy, dx], 4 * vectors);
    case 'dropout': {
      const buffers = [context.keys!, dy, dx, ...(afterRelu ? [x] : [])];
      return elementwise(context, dropout('backward', afterRelu), fields, buffers, vectors);
    }
    default:
      throw new TypeError(`${stage.kind} is not a simple stage`);
  }
}

/**
 * Passes ∂y where `values`, the input or output of a ReLU, are above 0, else 0. Also used for a convolution with ReLU
 * at the end of a chain.
 */
export function reluBackward(
  context: Context,
  { output }: PlacedStage,
  values: GPUBuffer,
  dy: GPUBuffer,
  dx: GPUBuffer,
): Dispatch {
  const vectors = imageVectorsOf(output);
  return elementwise(context, RELU_BACKWARD, numbers(vectors), [values, dy, dx], vectors);
}

export function inputGradient(
  context: Context,
  placed: PlacedConvolution,
  x: GPUBuffer,
  dy: GPUBuffer,
  dx: GPUBuffer,
): Dispatch[] {
  const { stage, output, afterRelu } = placed;
  const choice = context.choose('backward', placed);
  const panels = context.parameters.panelsOf(`${stage.layer.name}.weight`);
  const mask = afterRelu ? [x] : [];
  if (choice.method === 'winograd') {
    const buffers = [dy, panels[0]!.buffers.values!, dx, ...mask] as const;
    const variant = { bias: false, masked: afterRelu };
    return winogradDispatches(context, 'backward', placed, choice, variant, buffers);
  }
  const copied = context.choose('forward', placed).method === 'direct';
  return panels.flatMap((panel, index) => {
    const shape = {
      ...sourceShape(output, panel.first, panel.vectors),
      ...inputGradientShape(placed),
      splits: choice.splits ?? 1,
    };
    const variant = { direction: 'backward', masked: afterRelu, accumulate: index > 0 } as const;
    return [
      ...(copied ? [] : toFactors(context, panel)),
      ...gatherInParts(context, variant, choice.tile, shape, [dy, panel.factors, dx, ...mask]),
    ];
  });
}

/**
 * The shape of the convolution that computes the input's gradient. If the kernel covers the whole map, as fc6's does,
 * this is a 1×1 convolution whose channels are all values of the map, in the order in which they are stored. For each
 * pixel separately, all taps but one would read outside of the source.
 */
function inputGradientShape(placed: PlacedConvolution) {
  const { kernel, padding } = placed.stage.layer;
  const { input } = placed;
  if (coversMap(placed)) {
    const values = 4 * vectorsOf(input) * kernel ** 2;
    return { ...resultShape([1, values, 1, 1], 0, values / 4), kernel: 1, padding: 0 };
  }
  return { ...resultShape(input, 0, vectorsOf(input)), kernel, padding: kernel - 1 - padding };
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
  const panels = context.parameters.panelsOf(`${name}.weight`);
  if (choice.method === 'winograd') {
    return winogradWeightGradient(context, placed, choice, [x, dy, panels[0]!.buffers.gradients!]);
  }
  return panels.flatMap((panel) => {
    const splits = splitsOf(context, placed, panel);
    const shape = {
      ...sourceShape(input, 0, vectorsOf(input)),
      ...resultShape(output, panel.first, panel.vectors),
      kernel,
      padding,
      splits,
    };
    const fields = context.uniform(fieldsOf(shape));
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

/** Number of parts into which a sum is split, so that few tiles still give enough workgroups. */
function splitsOf({ choose, busy }: Context, placed: PlacedConvolution, panel: Panel): number {
  const { stage, input, output } = placed;
  const { method, tile } = choose('weights', placed);
  if (method === 'winograd') return 1;
  const down = tilesDown(tile, stage.layer.kernel, vectorsOf(input));
  const across = Math.ceil(panel.vectors / (tile.threadsX * tile.columns));
  const wanted = Math.ceil(busy / (down * across));
  const most = Math.floor(batchPixelsOf(output) / FEWEST_PIXELS);
  return Math.max(1, Math.min(wanted, most, Math.floor(MOST_SUMS / (16 * panel.size))));
}

function chunksOf({ output }: PlacedStage): number {
  return Math.max(1, Math.ceil(batchPixelsOf(output) / CHUNK));
}

/** Number of float32 values that `Between.sums` must hold for a stage. */
export function sumsFor(context: Context, placed: PlacedStage): number {
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
