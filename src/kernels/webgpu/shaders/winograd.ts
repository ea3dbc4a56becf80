/**
 * Convolutions of 3×3 by Winograd's method: maps to the points, a product of matrices at each point, and back
 * (docs/explanation/kernels.md explains it). What is at the points lies as `[point, tile, channel]`, weights there as
 * `[point, in, out]`, channels in vectors of four. Tiles are numbered through all images, and a chunk of them goes
 * through all three steps, so that what is at the points stays small enough for a GPU's last cache.
 */
import { bindings, CALL, type Declared, elementwise, shapeStruct, unroll } from './common.ts';
import { evaluateInput, evaluateWeights, interpolate, type Scheme } from './winograd-scheme.ts';

/** In pixels, tiles, or vectors a pixel. `in` is what is multiplied, in the backward pass the output's gradient. */
export interface WinogradShape {
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inVectors: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outVectors: number;
  readonly tilesDown: number;
  readonly tilesAcross: number;
  /** Of the chunk, and how many it has at most. */
  readonly firstTile: number;
  readonly tiles: number;
  readonly padding: number;
}

export const WINOGRAD_FIELDS = [
  'inHeight',
  'inWidth',
  'inVectors',
  'outHeight',
  'outWidth',
  'outVectors',
  'tilesDown',
  'tilesAcross',
  'firstTile',
  'tiles',
  'padding',
] as const satisfies readonly (keyof WinogradShape)[];

/** Threads keep a whole tile in registers: a small workgroup leaves most choices where they run. */
export const TRANSFORM_GROUP = 64;

/** How a kernel on a chunk of tiles begins: call, shape, then the bindings of its own. */
export function onChunk(own: readonly Declared[]): string {
  return /* wgsl */ `
${CALL}
${shapeStruct(WINOGRAD_FIELDS)}
${bindings([['call', 'Call', 'uniform'], ['shape', 'Shape', 'uniform'], ...own])}
/** How many tiles of the chunk the call's images have. */
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

/** B x B^T of each tile and vector of channels. Bindings: call, shape, source, points. */
export function inputToPoints(scheme: Scheme): string {
  const { size, extent } = scheme;
  const range = (text: (index: number) => string) => unroll(extent, text);
  return `
${onChunk([
  ['source', 'array<stored4>', 'read'],
  ['points', 'array<vec4f>', 'read_write'],
])}
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
${range(
  (c) => `${range((r) => `  let x${r}_${c} = valueAt(base, y + ${r}, x + ${c});`)}
${evaluateInput(
  scheme,
  (r) => `x${r}_${c}`,
  (p) => `t${p}_${c}`,
)}`,
)}
${range(
  (p) => `${evaluateInput(
    scheme,
    (c) => `t${p}_${c}`,
    (q) => `v${p}_${q}`,
  )}
${range((q) => `  points[${p * extent + q}u * step + i] = v${p}_${q};`)}`,
)}`,
  TRANSFORM_GROUP,
)}
`;
}

/**
 * G w G^T. Bindings: shape `[inVectors, outVectors]`, weights, points. Forward one thread for an input channel and a
 * vector of output channels. `turned`, for the input's gradient: of the weights turned by 180°, from the output's
 * channels to the input's.
 */
export function weightsToPoints(scheme: Scheme, turned: boolean): string {
  const { extent } = scheme;
  const weight = (tap: number) =>
    turned
      ? `vec4f(${[0, 1, 2, 3].map((j) => `weights[(${4 * (8 - tap)}u * shape.outVectors + 4u * column + ${j}u) * rows + row]`).join(', ')})`
      : `weights[(${tap}u * rows + row) * shape.outVectors + column]`;
  return `
${shapeStruct(['inVectors', 'outVectors'])}
${bindings([
  ['shape', 'Shape', 'uniform'],
  ['weights', turned ? 'array<f32>' : 'array<vec4f>', 'read'],
  ['points', 'array<vec4f>', 'read_write'],
])}
${elementwise(
  '4u * shape.inVectors * shape.outVectors',
  /* wgsl */ `  let rows = 4u * shape.inVectors;
  let row = i / shape.outVectors;
  let column = i % shape.outVectors;
  let step = rows * shape.outVectors;
${unroll(
  3,
  (c) => `${unroll(3, (r) => `  let w${r}_${c} = ${weight(3 * r + c)};`)}
${evaluateWeights(
  scheme,
  (r) => `w${r}_${c}`,
  (p) => `t${p}_${c}`,
)}`,
)}
${unroll(
  extent,
  (p) => `${evaluateWeights(
    scheme,
    (c) => `t${p}_${c}`,
    (q) => `u${p}_${q}`,
  )}
${unroll(extent, (q) => `  points[${p * extent + q}u * step + i] = u${p}_${q};`)}`,
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
${onChunk([
  ['points', 'array<vec4f>', 'read'],
  ['result', 'array<stored4>', 'read_write'],
  ...(bias ? [['bias', 'array<vec4f>', 'read'] as const] : []),
  ...(masked ? [['activation', 'array<stored4>', 'read'] as const] : []),
])}
${corner(size)}
${elementwise(
  'tilesHere() * shape.outVectors',
  /* wgsl */ `  let corner = corner(i / shape.outVectors);
  let vector = i % shape.outVectors;
  let base = (corner.x * shape.outHeight + corner.y) * shape.outWidth + corner.z;
  let step = shape.tiles * shape.outVectors;
${unroll(
  extent,
  (c) => `${unroll(extent, (p) => `  let m${p}_${c} = points[${p * extent + c}u * step + i];`)}
${interpolate(
  scheme,
  (p) => `m${p}_${c}`,
  (r) => `t${r}_${c}`,
)}`,
)}
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
