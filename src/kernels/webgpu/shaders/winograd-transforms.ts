/**
 * Convolutions of 3×3 by Winograd's method: maps to the points, a product of matrices at each point, and back
 * (docs/explanation/kernels.md explains it). Values at the points are laid out as `[point, tile, channel]`, weights as
 * `[point, in, out]`, with channels in vectors of four. Tiles are numbered through all images, and a chunk of them goes
 * through all three steps, so that the values at the points fit a GPU's last-level cache.
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

/** In pixels, tiles, or vectors per pixel. `in` is the source, in the backward pass the output's gradient. */
export const WINOGRAD_FIELDS = [
  'inHeight',
  'inWidth',
  'inVectors',
  'outHeight',
  'outWidth',
  'outVectors',
  'tilesDown',
  'tilesAcross',
  // First tile of the chunk, and its largest number of tiles.
  'firstTile',
  'tiles',
  'padding',
] as const;

export type WinogradShape = Readonly<Record<(typeof WINOGRAD_FIELDS)[number], number>>;

/** Threads keep a whole tile in registers. A small workgroup gives the GPU the most freedom in scheduling them. */
export const TRANSFORM_GROUP = 64;

/** The head of a kernel on a chunk of tiles. Bindings: call, shape, then `own`. */
export function onChunk(...own: readonly Declared[]): string {
  return /* wgsl */ `
${callHead(WINOGRAD_FIELDS, ...own)}
/** Number of the chunk's tiles in the call's images. */
fn tilesHere() -> u32 {
  return min(call.images * shape.tilesDown * shape.tilesAcross, shape.firstTile + shape.tiles) - shape.firstTile;
}
`;
}

/** Image, row and column of the first result of a tile. */
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

/** B x B^T of each tile and vector of channels. Bindings: call, shape, source, points. */
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
 * G w G^T. Bindings: shape `[inVectors, outVectors]`, weights, points. Forward one thread for an input channel and a
 * vector of output channels. `turned`, for the input's gradient: with the weights rotated by 180°, from the output's
 * channels to the input's.
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
  /** The layer's output: with its bias. */
  readonly bias: boolean;
  /** max(y, 0). */
  readonly relu?: boolean;
  /** 0 where the layer's input, which a ReLU made, is 0. */
  readonly masked?: boolean;
}

/** A m A^T. Bindings: call, shape, points, result, then the bias, with `masked` the layer's input. */
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
