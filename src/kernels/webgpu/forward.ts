/** The kernels of a forward pass, stage by stage. */
import type { Shape4 } from '../../core/shape.ts';
import { type Choose, type Direction, isConvolution, type PlacedConvolution } from './choices.ts';
import { type Binding, groupsFor } from './device.ts';
import { type Dispatch, numbers, perImage } from './dispatch.ts';
import type { Memory } from './memory.ts';
import type { GpuParameters, Panel } from './parameters.ts';
import {
  addSplits,
  GATHER_FIELDS,
  type GatherShape,
  type GatherVariant,
  gatherConvolution,
} from './shaders/gather-convolution.ts';
import { dropout, LRN_FORWARD, MAX_POOL, RELU } from './shaders/layers.ts';
import { TO_FACTORS } from './shaders/tensors.ts';
import type { Tile } from './shaders/tile.ts';
import { type PlacedStage, paddedCount, pixelsOf, vectorsOf } from './stages.ts';
import { type PointBuffers, winogradDispatches } from './winograd.ts';

/** What every dispatch of a program draws on. */
export interface Context {
  readonly parameters: Pick<GpuParameters, 'panelsOf'>;
  /** What each convolution is computed with. */
  readonly choose: Choose;
  readonly points: PointBuffers;
  /** Parts of sums that are cut, of one layer at a time (`partsFor`). */
  readonly parts: GPUBuffer;
  /** Workgroups that a sum is cut into so as to keep the device busy. */
  readonly busy: number;
  /** Whether reductions go by subgroups. */
  readonly subgroups: boolean;
  /** The uniform of what changes from call to call. */
  readonly call: GPUBuffer;
  /** `[n, 2]`, in training. */
  readonly keys: GPUBuffer | undefined;
  /** A uniform that lives as long as the program. */
  uniform(bytes: ArrayBuffer): GPUBuffer;
}

const LARGEST_GROUPS = 65_535;

export function forwardDispatches(
  context: Context,
  placed: PlacedStage,
  x: GPUBuffer,
  y: GPUBuffer,
): Dispatch[] {
  const { stage, input, output } = placed;
  const { call } = context;
  const vectors = pixelsOf(input) * vectorsOf(input);
  switch (stage.kind) {
    case 'convolution':
      return convolution(context, { ...placed, stage }, x, y);
    case 'relu':
      return [
        { code: RELU, bindings: [call, context.uniform(numbers(vectors)), x, y], groups: perImage(vectors) },
      ];
    case 'maxPool': {
      const shape = context.uniform(mapShape(input, output));
      return [
        {
          code: MAX_POOL,
          bindings: [call, shape, x, y],
          groups: perImage(pixelsOf(output) * vectorsOf(output)),
        },
      ];
    }
    case 'lrn':
      return [
        {
          code: LRN_FORWARD,
          bindings: [call, context.uniform(lrnShape(placed)), x, y],
          groups: perImage(4 * vectors),
        },
      ];
    case 'dropout':
      return [
        {
          code: dropout('forward'),
          bindings: [call, context.uniform(dropoutShape(placed)), context.keys!, x, y],
          groups: perImage(vectors),
        },
      ];
  }
}

function convolution(context: Context, placed: PlacedConvolution, x: GPUBuffer, y: GPUBuffer): Dispatch[] {
  const { name } = placed.stage.layer;
  const { relu } = placed.stage;
  const choice = context.choose('forward', placed);
  const { tile } = choice;
  const [bias] = context.parameters.panelsOf(`${name}.bias`);
  if (choice.method === 'winograd') {
    const [panel] = context.parameters.panelsOf(`${name}.weight`);
    const buffers = [x, panel!.buffers.values!, y, bias!.buffers.values!] as const;
    return winogradDispatches(context, 'forward', placed, choice, { bias: true, relu }, buffers);
  }
  return context.parameters.panelsOf(`${name}.weight`).flatMap((panel) => {
    const { splits = 1 } = choice;
    const shape = { ...forwardShape(placed, panel), splits };
    const values = bias!.buffers.values!;
    const variant = { direction: 'forward', relu } as const;
    return [
      ...toFactors(context, panel),
      ...gatherInParts(context, variant, tile, shape, [x, panel.factors, y, values]),
    ];
  });
}

/** A convolution in either direction, its sum in one part or more. @param buffers as `gather` has them */
export function gatherInParts(
  context: Context,
  variant: GatherVariant,
  tile: Tile,
  shape: GatherShape,
  buffers: readonly [GPUBuffer, GPUBuffer, ...GPUBuffer[]],
): Dispatch[] {
  if (shape.splits === 1) return [gather(context, variant, tile, shape, buffers)];
  const { call, parts } = context;
  const [source, factors, ...result] = buffers;
  return [
    gather(context, { ...variant, split: true }, tile, shape, [source, factors, parts]),
    {
      code: addSplits(variant),
      bindings: [call, context.uniform(fieldsOf(shape)), parts, ...result],
      groups: perImage(shape.outHeight * shape.outWidth * shape.outVectors),
    },
  ];
}

function fieldsOf(shape: GatherShape): ArrayBuffer {
  return numbers(...GATHER_FIELDS.map((field) => shape[field]));
}

/** A buffer for the parts of any layer's sums. */
export function partsFor(
  memory: Memory,
  choose: Choose,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
): GPUBuffer {
  const counts = stages.filter(isConvolution).flatMap((placed) =>
    directions.map((direction) => {
      const choice = choose(direction, placed);
      const result = direction === 'backward' ? placed.input : placed.output;
      return choice.method === 'direct' && choice.splits ? choice.splits * paddedCount(result) : 0;
    }),
  );
  return memory.storage('parts of sums', Math.max(4, ...counts));
}

/** The copy of weights that direct products multiply; nothing where they multiply the weights themselves. */
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

function forwardShape(
  { stage, input, output }: PlacedConvolution,
  panel: Panel,
): Omit<GatherShape, 'splits'> {
  const { kernel, padding } = stage.layer;
  return {
    inHeight: input[2],
    inWidth: input[3],
    inStride: vectorsOf(input),
    inOffset: 0,
    inVectors: vectorsOf(input),
    outHeight: output[2],
    outWidth: output[3],
    outStride: vectorsOf(output),
    outOffset: panel.first,
    outVectors: panel.vectors,
    kernel,
    padding,
  };
}

/** A convolution in either direction. @param buffers source, weights, result, and what the variant adds */
function gather(
  context: Context,
  variant: GatherVariant,
  tile: Tile,
  shape: GatherShape,
  buffers: readonly Binding[],
): Dispatch {
  const fields = context.uniform(fieldsOf(shape));
  return {
    code: gatherConvolution(variant, tile),
    bindings: [context.call, fields, ...buffers],
    algorithm: 'implicit GEMM',
    groups: (images) => {
      const rows = images * shape.outHeight * shape.outWidth;
      if (!variant.split) return gatherGroups(tile, rows, shape.outVectors);
      const [down, across] = gatherGroups(tile, rows, shape.outVectors);
      return [down, across, shape.splits];
    },
  };
}

function gatherGroups(tile: Tile, rows: number, columns: number): [number, number, number] {
  const down = Math.ceil(rows / (tile.threadsY * tile.rows));
  const x = Math.min(down, LARGEST_GROUPS);
  return [x, Math.ceil(columns / (tile.threadsX * tile.columns)), Math.ceil(down / x)];
}

export function mapShape(input: Shape4, output: Shape4): ArrayBuffer {
  return numbers(input[2], input[3], vectorsOf(input), output[2], output[3]);
}

export function lrnShape({ stage, input }: PlacedStage): ArrayBuffer {
  if (stage.kind !== 'lrn') throw new TypeError(`${stage.kind} is no LRN`);
  const { size, k, alpha, beta } = stage.layer;
  return numbers(
    pixelsOf(input),
    vectorsOf(input),
    input[1],
    (size - 1) / 2,
    { float: k },
    { float: alpha },
    { float: beta },
  );
}

export function dropoutShape({ stage, input }: PlacedStage): ArrayBuffer {
  if (stage.kind !== 'dropout') throw new TypeError(`${stage.kind} is no dropout`);
  const { rate } = stage.layer;
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
  return numbers(pixelsOf(input), vectorsOf(input), stage.ordinal, threshold, { float: 1 / (1 - rate) });
}
