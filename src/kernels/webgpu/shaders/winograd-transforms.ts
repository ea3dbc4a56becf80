/**
 * The transforms of 3×3 convolutions by Winograd's method: inputs and weights to the points, and products back to
 * results (docs/explanation/kernels.md explains it). Values at the points are laid out as `[point, tile, channel]`,
 * weights as `[point, in, out]`, with channels in vectors of four. Tiles are numbered consecutively across all images.
 * Each chunk of them goes through all steps before the next, so that the values at the points fit in a GPU's last-level
 * cache.
 */
import { callHead, type Declared, elementwise, head, reads, unroll, writes } from './wgsl.ts';
import {
  alongColumns,
  evaluateInput,
  evaluateWeights,
  inBothDimensions,
  interpolate,
  type Scheme,
} from './winograd-scheme.ts';

/** `Shape`, in pixels, tiles, or vectors per pixel. The source (`in`) of the backward pass is the output's gradient. */
export const WINOGRAD_FIELDS = [
  'inHeight',
  'inWidth',
  'inVectors',
  'outHeight',
  'outWidth',
  'outVectors',
  'tilesDown',
  'tilesAcross',
  // The chunk's first tile and largest number of tiles.
  'firstTile',
  'tiles',
  'padding',
] as const;

export type WinogradShape = Readonly<Record<(typeof WINOGRAD_FIELDS)[number], number>>;

/** Threads keep a whole tile in registers. A small workgroup gives the GPU the most freedom in scheduling. */
export const TRANSFORM_GROUP = 64;

/** Writes the head of a kernel for a chunk of tiles. Bindings: call, shape, then `own`. */
export function onChunk(...own: readonly Declared[]): string {
  return /* wgsl */ `
${callHead(WINOGRAD_FIELDS, ...own)}
/** Number of the chunk's tiles in the call's images. */
fn tilesHere() -> u32 {
  return min(call.images * shape.tilesDown * shape.tilesAcross, shape.firstTile + shape.tiles) - shape.firstTile;
}
`;
}

/** `corner`: image, row and column of a tile's first result. */
export function corner(size: number): string {
  return /* wgsl */ `
fn corner(tile: u32) -> vec3u {
  let number = shape.firstTile + tile;
  let inImage = number % (shape.tilesDown * shape.tilesAcross);
  return vec3u(number / (shape.tilesDown * shape.tilesAcross),
    ${size}u * (inImage / shape.tilesAcross), ${size}u * (inImage % shape.tilesAcross));
}
`;
}

/** The statement that stores a value at the point of a row and column. */
export function storeAtPoint({ extent }: Scheme) {
  return (r: number, c: number, value: string): string => `points[${r * extent + c}u * step + i] = ${value};`;
}

/** Computes B x Bᵀ for each tile and vector of channels. Bindings: call, shape, source, points. */
export function inputToPoints(scheme: Scheme): string {
  const { size, extent } = scheme;
  return `
${onChunk(reads('source'), writes('points', 'vec4f'))}
${corner(size)}
fn valueAt(base: u32, y: i32, x: i32) -> vec4f {
  if (y < 0 || x < 0 || y >= i32(shape.inHeight) || x >= i32(shape.inWidth)) { return vec4f(); }
  return vec4f(source[base + (u32(y) * shape.inWidth + u32(x)) * shape.inVectors]);
}
${elementwise(
  'tilesHere() * shape.inVectors',
  /* wgsl */ `  let corner = corner(i / shape.inVectors);
  let base = corner.x * shape.inHeight * shape.inWidth * shape.inVectors + i % shape.inVectors;
  let y = i32(corner.y) - i32(shape.padding);
  let x = i32(corner.z) - i32(shape.padding);
  let step = shape.tiles * shape.inVectors;
${inBothDimensions(
  evaluateInput,
  scheme,
  [extent, extent],
  ['x', 't', 'v'],
  (r, c) => `valueAt(base, y + ${r}, x + ${c})`,
  storeAtPoint(scheme),
)}`,
  TRANSFORM_GROUP,
)}
`;
}

/**
 * Computes G w Gᵀ, one thread per input channel and vector of output channels. With `turned`, for the input's gradient,
 * weights are rotated by 180°, and the channels of the output are the input channels here. Bindings: shape
 * `[inVectors, outVectors]`, weights, points.
 */
export function weightsToPoints(scheme: Scheme, turned: boolean): string {
  const weight = (tap: number) =>
    turned
      ? `vec4f(${[0, 1, 2, 3].map((j) => `weights[(${4 * (8 - tap)}u * shape.outVectors + 4u * column + ${j}u) * rows + row]`).join(', ')})`
      : `weights[(${tap}u * rows + row) * shape.outVectors + column]`;
  return `
${head(['inVectors', 'outVectors'], reads('weights', turned ? 'f32' : 'vec4f'), writes('points', 'vec4f'))}
${elementwise(
  '4u * shape.inVectors * shape.outVectors',
  /* wgsl */ `  let rows = 4u * shape.inVectors;
  let row = i / shape.outVectors;
  let column = i % shape.outVectors;
  let step = rows * shape.outVectors;
${inBothDimensions(
  evaluateWeights,
  scheme,
  [3, scheme.extent],
  ['w', 't', 'u'],
  (r, c) => weight(3 * r + c),
  storeAtPoint(scheme),
)}`,
)}
`;
}

export interface OutputVariant {
  /** Adds the bias, for the layer's output. */
  readonly bias: boolean;
  /** Stores max(y, 0). */
  readonly relu?: boolean;
  /** Stores 0 where the layer's input, a ReLU's output, is 0. */
  readonly masked?: boolean;
}

/** Computes A m Aᵀ. Bindings: call, shape, points, result, and the bias or with `masked` the layer's input. */
export function pointsToOutput(scheme: Scheme, { bias, relu, masked }: OutputVariant): string {
  const { size, extent } = scheme;
  // Written so that NaN stays NaN.
  const clipped = relu ? 'select(value, vec4f(), value < vec4f())' : 'value';
  const stored = masked ? `select(vec4f(), ${clipped}, activation[at] > stored4())` : clipped;
  return `
${onChunk(reads('points', 'vec4f'), writes('result'), ...(bias ? [reads('bias', 'vec4f')] : []), ...(masked ? [reads('activation')] : []))}
${corner(size)}
${elementwise(
  'tilesHere() * shape.outVectors',
  /* wgsl */ `  let corner = corner(i / shape.outVectors);
  let vector = i % shape.outVectors;
  let base = (corner.x * shape.outHeight + corner.y) * shape.outWidth + corner.z;
  let step = shape.tiles * shape.outVectors;
${alongColumns(interpolate, scheme, extent, ['m', 't'], (p, c) => `points[${p * extent + c}u * step + i]`)}
${unroll(
  size,
  (r) => /* wgsl */ `  if (corner.y + ${r}u < shape.outHeight) {
${interpolate(
  scheme,
  (c) => `t${r}_${c}`,
  (c) => `y${c}`,
)}
${unroll(
  size,
  (c) => /* wgsl */ `    if (corner.z + ${c}u < shape.outWidth) {
      let at = (base + ${r}u * shape.outWidth + ${c}u) * shape.outVectors + vector;
      let value = y${c}${bias ? ' + activationScale * bias[vector]' : ''};
      result[at] = stored4(${bias ? stored : `inRange(${stored})`});
    }`,
)}
  }`,
)}`,
  TRANSFORM_GROUP,
)}
`;
}
