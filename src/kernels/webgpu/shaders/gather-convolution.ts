/**
 * Convolution as an implicit matrix product (implicit GEMM): row m is a pixel of the result, column n is a channel, and
 * the sum runs over taps and the source's channels. The matrix of the source's patches is never stored.
 *
 *     forward:   y[m, n] = Σ_{tap, c} x[m + tap − padding, c] · w[tap, c, n] + b[n]
 *     backward:  ∂x[m, c] = Σ_{tap, n} ∂y[m − tap + padding, n] · w[tap, c, n]
 *
 * Backward is forward with the kernel rotated by 180°, padding k − 1 − padding, and w's two channels exchanged. Weights
 * are `[k, k, C, N]`, channels in vectors of four.
 */

import {
  type Corner,
  columnsOf,
  DIRECT_CORNER,
  declareSums,
  loadPanel,
  mainOf,
  multiplyPieces,
  multiplyRows,
  pieces,
  pitchOf,
  rowsOf,
  sharedCorner,
  storeSums,
  type Tile,
  threadsOf,
} from './product.ts';
import { callHead, elementwise, reads, unroll, writes } from './wgsl.ts';

export interface GatherVariant {
  readonly direction: 'forward' | 'backward';
  /** Forward only: stores max(y, 0). */
  readonly relu?: boolean;
  /** Backward only: stores 0 where the layer's input, a ReLU's output, is 0. */
  readonly masked?: boolean;
  /** Adds to the result, for all panels of weights but the first. */
  readonly accumulate?: boolean;
  /** Splits the sum: each workgroup in z stores its part unchanged, for `addSplits`. */
  readonly split?: boolean;
}

/** `Shape` of a convolution or of its weights' gradient, in pixels, vectors of four channels, or vectors per pixel. */
export const CONVOLUTION_FIELDS = [
  'inHeight',
  'inWidth',
  // Of the source: vectors per pixel, the panel's first vector, and its number of vectors.
  'inStride',
  'inOffset',
  'inVectors',
  'outHeight',
  'outWidth',
  'outStride',
  'outOffset',
  'outVectors',
  'kernel',
  // May be negative if the source is the gradient of a padded output.
  'padding',
  // Number of parts of the sum.
  'splits',
] as const;

export type ConvolutionShape = Readonly<Record<(typeof CONVOLUTION_FIELDS)[number], number>>;

/**
 * Bindings: call, shape, source, weights, result, and the bias (forward) or with `masked` the layer's input (backward).
 * Workgroups: tiles of rows in x and z, tiles of columns in y. With `split`: tiles of rows in x, parts of the sum in z,
 * no bias and no mask, and a float32 result.
 */
export function gatherConvolution(variant: GatherVariant, tile: Tile): string {
  const forward = variant.direction === 'forward';
  const { split = false } = variant;
  return `
${callHead(CONVOLUTION_FIELDS, reads('source'), reads('weights'), writes('result', split ? 'vec4f' : 'stored4'), ...(forward && !split ? [reads('bias', 'vec4f')] : []), ...(variant.masked && !split ? [reads('activation')] : []))}
${READ_SOURCE}
${forward ? '' : TURNED_BLOCK}
${split ? PART : ''}
${tile.depth > 0 ? shared(variant, tile) : direct(variant, tile)}
`;
}

/** `corner`: for a pixel of the result, its image's first pixel in the source, and the corner of its patch. */
const READ_SOURCE = /* wgsl */ `
fn corner(row: u32) -> vec3i {
  let image = row / (shape.outHeight * shape.outWidth);
  let pixel = row % (shape.outHeight * shape.outWidth);
  return vec3i(i32(image * shape.inHeight * shape.inWidth),
    i32(pixel / shape.outWidth) - i32(shape.padding), i32(pixel % shape.outWidth) - i32(shape.padding));
}

fn isInside(y: i32, x: i32) -> bool {
  return y >= 0 && x >= 0 && y < i32(shape.inHeight) && x < i32(shape.inWidth);
}

fn placeOf(base: i32, y: i32, x: i32) -> u32 {
  return u32(base + y * i32(shape.inWidth) + x) * shape.inStride + shape.inOffset;
}
`;

const PART = /* wgsl */ `
/** First vector of a part of the sum; the last part ends with the sum. */
fn partStart(part: u32, depth: u32) -> u32 {
  return min(part * ((depth + shape.splits - 1u) / shape.splits), depth);
}
`;

/** The first row of a workgroup's tile. */
function firstRowOf({ split = false }: GatherVariant, tileRows: number): string {
  return split ? `group.x * ${tileRows}u` : `(group.z * groups.x + group.x) * ${tileRows}u`;
}

function shared(variant: GatherVariant, tile: Tile): string {
  const { depth } = tile;
  const [threads, tileRows, tileColumns] = [threadsOf(tile), rowsOf(tile), columnsOf(tile)];
  const sourceLoads = Math.ceil((tileRows * depth) / threads);
  const pitch = pitchOf(tile);
  const { split = false } = variant;
  return /* wgsl */ `
${pieces(tile, 'stored4')}
${mainOf(tile)}
  let rows = call.images * shape.outHeight * shape.outWidth;
  let all = shape.kernel * shape.kernel * shape.inVectors;
  let depth = ${split ? 'partStart(group.z + 1u, all)' : 'all'};
  let firstRow = ${firstRowOf(variant, tileRows)};
  let firstColumn = group.y * ${tileColumns}u;
  if (firstRow >= rows) { return; }
${unroll(sourceLoads, (l) => `  let corner${l} = corner(min(firstRow + (thread + ${l * threads}u) / ${depth}u, rows - 1u));`)}
${declareSums(tile)}
  for (var first = ${split ? 'partStart(group.z, all)' : '0u'}; first < depth; first += ${depth}u) {
${unroll(sourceLoads, (l) => {
  const guarded = (l + 1) * threads > tileRows * depth;
  return /* wgsl */ `    {
      let at = thread + ${l * threads}u;
      let k = first + at % ${depth}u;
      let tap = k / shape.inVectors;
      let y = corner${l}.y + i32(tap / shape.kernel);
      let x = corner${l}.z + i32(tap % shape.kernel);
      var value = stored4();
      if (k < depth && isInside(y, x)) { value = source[placeOf(corner${l}.x, y, x) + k % shape.inVectors]; }
      ${guarded ? `if (at < ${tileRows * depth}u) ` : ''}{ patches[(at / ${depth}u) * ${pitch}u + at % ${depth}u] = value; }
    }`;
})}
${variant.direction === 'forward' ? loadPanel(tile, 'stored4') : loadTurnedPanel(tile)}
    workgroupBarrier();
${multiplyPieces(tile)}
    workgroupBarrier();
  }
${storeResults(variant, tile, sharedCorner(tile))}
}
`;
}

/** As `loadPanel`, but with rows and columns exchanged: blocks of 4×4 are transposed in registers. */
function loadTurnedPanel(tile: Tile): string {
  const tileColumns = columnsOf(tile);
  const count = tile.depth * tileColumns;
  return /* wgsl */ `    for (var at = thread; at < ${count}u; at += ${threadsOf(tile)}u) {
      let k = first + at % ${tile.depth}u;
      let column = at / ${tile.depth}u;
      var block = mat4x4f();
      if (k < depth && firstColumn + column < shape.outVectors) { block = turnedBlock(k, firstColumn + column); }
      for (var j = 0u; j < 4u; j++) { panel[(4u * (at % ${tile.depth}u) + j) * ${tileColumns}u + column] = stored4(block[j]); }
    }`;
}

const TURNED_BLOCK = /* wgsl */ `
/** Four of the result's channels by four of the source's, of the rotated kernel's tap. */
fn turnedBlock(k: u32, column: u32) -> mat4x4f {
  let tap = shape.kernel * shape.kernel - 1u - k / shape.inVectors;
  let at = (tap * shape.outVectors + column) * 4u * shape.inVectors + k % shape.inVectors;
  return transpose(mat4x4f(vec4f(weights[at]), vec4f(weights[at + shape.inVectors]),
    vec4f(weights[at + 2u * shape.inVectors]), vec4f(weights[at + 3u * shape.inVectors])));
}
`;

/** Without shared memory. The position of a tap is computed once for all channels. */
function direct(variant: GatherVariant, tile: Tile): string {
  const { threadsX, threadsY, rows, columns } = tile;
  const { split = false } = variant;
  const forward = variant.direction === 'forward';
  return /* wgsl */ `
${mainOf(tile)}
  let rows = call.images * shape.outHeight * shape.outWidth;
  let firstRow = ${firstRowOf(variant, threadsY * rows)} + local.y * ${rows}u;
  let firstColumn = (group.y * ${threadsX}u + local.x) * ${columns}u;
  if (firstRow >= rows || firstColumn >= shape.outVectors) { return; }
${unroll(rows, (r) => `  let corner${r} = corner(min(firstRow + ${r}u, rows - 1u));`)}
${unroll(columns, (c) => `  let column${c} = min(firstColumn + ${c}u, shape.outVectors - 1u);`)}
${declareSums(tile)}
${
  split
    ? /* wgsl */ `  let all = shape.kernel * shape.kernel * shape.inVectors;
  let begin = partStart(group.z, all);
  let end = partStart(group.z + 1u, all);
  for (var tap = begin / shape.inVectors; tap * shape.inVectors < end; tap++) {
    let firstVector = max(begin, tap * shape.inVectors) - tap * shape.inVectors;
    let endVector = min(end - tap * shape.inVectors, shape.inVectors);`
    : /* wgsl */ `  for (var tap = 0u; tap < shape.kernel * shape.kernel; tap++) {`
}
    let dy = i32(tap / shape.kernel);
    let dx = i32(tap % shape.kernel);
${unroll(
  rows,
  (r) => /* wgsl */ `    let inside${r} = isInside(corner${r}.y + dy, corner${r}.z + dx);
    let place${r} = select(0u, placeOf(corner${r}.x, corner${r}.y + dy, corner${r}.z + dx), inside${r});`,
)}
    for (var k = ${split ? 'firstVector' : '0u'}; k < ${split ? 'endVector' : 'shape.inVectors'}; k++) {
${unroll(rows, (r) => `      let a${r} = vec4f(select(stored4(), source[place${r} + k], inside${r}));`)}
${
  forward
    ? multiplyRows(
        tile,
        (j, c) => `weights[(4u * (tap * shape.inVectors + k) + ${j}u) * shape.outVectors + column${c}]`,
      )
    : unroll(
        columns,
        (c) => /* wgsl */ `      let b${c} = turnedBlock(tap * shape.inVectors + k, column${c});
${unroll(rows, (r) => `      sum${r}_${c} += b${c} * a${r};`)}`,
      )
}
    }
  }
${storeResults(variant, tile, DIRECT_CORNER)}
}
`;
}

/** ReLU, written so that NaN stays NaN. */
const CLIPPED = 'select(value, vec4f(), value < vec4f())';

function storeResults(variant: GatherVariant, tile: Tile, corner: Corner): string {
  return storeSums(tile, corner, (r, sum) =>
    variant.split
      ? `        result[(group.z * rows + row + ${r}u) * shape.outVectors + column] = ${sum};`
      : `        let at = (row + ${r}u) * shape.outStride + shape.outOffset + column;
${storeResult(variant, sum)}`,
  );
}

/** Turns a sum into a result at index `at`, for channel vector `column`. */
function storeResult({ direction, relu, masked, accumulate }: GatherVariant, sum: string): string {
  const terms = [
    sum,
    ...(direction === 'forward' ? [`activationScale * bias[shape.outOffset + column]`] : []),
    ...(accumulate ? ['vec4f(result[at])'] : []),
  ];
  const clipped = relu ? CLIPPED : 'value';
  const stored = masked ? `select(vec4f(), ${clipped}, activation[at] > stored4())` : clipped;
  return /* wgsl */ `        let value = ${terms.join(' + ')};
        result[at] = stored4(${direction === 'forward' ? stored : `inRange(${stored})`});`;
}

/**
 * Completes a convolution whose sum was split: adds the parts, always in the same order, then applies the variant.
 * Bindings: call, shape, parts, result, and the bias or with `masked` the layer's input. Elements: vectors of the
 * result.
 */
export function addSplits(variant: GatherVariant): string {
  return `
${callHead(CONVOLUTION_FIELDS, reads('parts', 'vec4f'), writes('result'), ...(variant.direction === 'forward' ? [reads('bias', 'vec4f')] : []), ...(variant.masked ? [reads('activation')] : []))}
${elementwise(
  'call.images * shape.outHeight * shape.outWidth * shape.outVectors',
  /* wgsl */ `  let all = call.images * shape.outHeight * shape.outWidth * shape.outVectors;
  let column = i % shape.outVectors;
  let at = i / shape.outVectors * shape.outStride + shape.outOffset + column;
  var sum = parts[i];
  for (var part = 1u; part < shape.splits; part++) { sum += parts[part * all + i]; }
${storeResult(variant, 'sum')}`,
)}
`;
}
