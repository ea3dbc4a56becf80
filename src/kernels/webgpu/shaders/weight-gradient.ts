/**
 * The gradient of a convolution's weights, a product whose sum runs over the pixels of all images.
 *
 *     ∂w[tap, c, n] += Σ_p x[p + tap − padding, c] · ∂y[p, n]
 *
 * A row is a tap and four channels of x; a column is four channels of ∂y. Small kernels over large maps give few tiles
 * and a long sum, which is then split: each split writes its sums, and `SUM_SPLITS` adds them up, always in the same
 * order.
 */

import { CONVOLUTION_FIELDS } from './gather-convolution.ts';
import { declareSums, multiplyPieces, multiplyRow, pieces, storeSums } from './outer-product.ts';
import { columnsOf, mainOf, rowsOf, type Tile, threadsOf } from './product.ts';
import { REDUCED, reduction } from './reduction.ts';
import { callHead, elementwise, head, reads, unroll, writes } from './wgsl.ts';

/**
 * Bindings: call, shape, x, ∂y, result (the gradient, or the splits' sums). Workgroups: tiles of rows in x, tiles of
 * columns in y, splits in z.
 */
export function weightGradient(split: boolean, tile: Tile): string {
  return `
${callHead(CONVOLUTION_FIELDS, reads('source'), reads('gradient'), writes('result', 'vec4f'))}
${SPLIT_START}
${tile.depth > 0 ? shared(split, tile) : direct(split, tile)}
`;
}

const READ = /* wgsl */ `
/** The tap and the channels of a row: how far down, how far right, which vector. */
fn rowAt(row: u32) -> vec3i {
  let tap = row / shape.inVectors;
  return vec3i(i32(tap / shape.kernel) - i32(shape.padding), i32(tap % shape.kernel) - i32(shape.padding),
    i32(row % shape.inVectors));
}

/** Image, row and column of a pixel of y. */
fn pixelAt(p: u32) -> vec3u {
  let inImage = p % (shape.outHeight * shape.outWidth);
  return vec3u(p / (shape.outHeight * shape.outWidth), inImage / shape.outWidth, inImage % shape.outWidth);
}

fn sourceAt(pixel: vec3u, row: vec3i) -> stored4 {
  let y = i32(pixel.y) + row.x;
  let x = i32(pixel.z) + row.y;
  if (y < 0 || x < 0 || y >= i32(shape.inHeight) || x >= i32(shape.inWidth)) { return stored4(); }
  return source[((pixel.x * shape.inHeight + u32(y)) * shape.inWidth + u32(x)) * shape.inVectors + u32(row.z)];
}
`;

const SPLIT_START = /* wgsl */ `
/** First pixel (or line of pixels) of a split; the last split ends with the last of all. */
fn splitStart(split: u32, count: u32) -> u32 {
  let each = (count + shape.splits - 1u) / shape.splits;
  return min(split * each, count);
}
`;

/** Number of tiles that cover the rows of a weight's gradient. */
export function tilesDown({ threadsY, rows, depth }: Tile, kernel: number, inVectors: number): number {
  // Without shared memory, all rows of a thread belong to the same tap.
  const blocks = depth > 0 ? (kernel ** 2 * inVectors) / rows : kernel ** 2 * Math.ceil(inVectors / rows);
  return Math.ceil(blocks / threadsY);
}

function shared(split: boolean, tile: Tile): string {
  const { depth } = tile;
  const [threads, tileRows, tileColumns] = [threadsOf(tile), rowsOf(tile), columnsOf(tile)];
  return /* wgsl */ `
${READ}
${pieces(tile, 'stored4')}
${mainOf(tile)}
  let pixels = call.images * shape.outHeight * shape.outWidth;
  let allRows = shape.kernel * shape.kernel * shape.inVectors;
  let firstRow = group.x * ${tileRows}u;
  let firstColumn = group.y * ${tileColumns}u;
  let end = splitStart(group.z + 1u, pixels);
${declareSums(tile)}
  for (var first = splitStart(group.z, pixels); first < end; first += ${depth}u) {
    for (var at = thread; at < ${depth * tileRows}u; at += ${threads}u) {
      let p = first + at / ${tileRows}u;
      let row = firstRow + at % ${tileRows}u;
      var value = stored4();
      if (p < end && row < allRows) { value = sourceAt(pixelAt(p), rowAt(row)); }
      patches[at] = value;
    }
    for (var at = thread; at < ${depth * tileColumns}u; at += ${threads}u) {
      let p = first + at / ${tileColumns}u;
      let column = firstColumn + at % ${tileColumns}u;
      var value = stored4();
      if (p < end && column < shape.outVectors) { value = gradient[p * shape.outStride + shape.outOffset + column]; }
      gradients[at] = value;
    }
    workgroupBarrier();
${multiplyPieces(tile)}
    workgroupBarrier();
  }
${storeGradient(split, tile, 'allRows')}
}
`;
}

/**
 * Without shared memory. A thread's rows belong to one tap. So the range of pixels in a line for which that tap is
 * inside the source is computed once, and the loop over them only loads and multiplies.
 */
function direct(split: boolean, tile: Tile): string {
  const { threadsX, threadsY, rows, columns } = tile;
  return /* wgsl */ `
${mainOf(tile)}
  let lines = call.images * shape.outHeight;
  let allRows = shape.kernel * shape.kernel * shape.inVectors;
  let blocks = (shape.inVectors + ${rows - 1}u) / ${rows}u;
  let block = group.x * ${threadsY}u + local.y;
  let firstColumn = (group.y * ${threadsX}u + local.x) * ${columns}u;
  if (block >= shape.kernel * shape.kernel * blocks || firstColumn >= shape.outVectors) { return; }
  let tap = block / blocks;
  let firstVector = block % blocks * ${rows}u;
  let dy = i32(tap / shape.kernel) - i32(shape.padding);
  let dx = i32(tap % shape.kernel) - i32(shape.padding);
  let firstX = max(0, -dx);
  let endX = min(i32(shape.outWidth), i32(shape.inWidth) - dx);
${unroll(rows, (r) => `  let vector${r} = min(firstVector + ${r}u, shape.inVectors - 1u);`)}
${unroll(columns, (c) => `  let column${c} = shape.outOffset + min(firstColumn + ${c}u, shape.outVectors - 1u);`)}
${declareSums(tile)}
  let end = splitStart(group.z + 1u, lines);
  for (var line = splitStart(group.z, lines); line < end; line++) {
    let y = i32(line % shape.outHeight) + dy;
    if (y < 0 || y >= i32(shape.inHeight)) { continue; }
    let sourceLine = i32(line / shape.outHeight * shape.inHeight) + y;
    var place = u32(sourceLine * i32(shape.inWidth) + firstX + dx) * shape.inVectors;
    var at = (line * shape.outWidth + u32(firstX)) * shape.outStride;
    for (var x = firstX; x < endX; x++) {
${unroll(columns, (c) => `      let b${c} = vec4f(gradient[at + column${c}]);`)}
${unroll(
  rows,
  (r) => `      let a${r} = vec4f(source[place + vector${r}]);
${multiplyRow(r, columns)}`,
)}
      place += shape.inVectors;
      at += shape.outStride;
    }
  }
  let firstRow = tap * shape.inVectors + firstVector;
  let endRow = (tap + 1u) * shape.inVectors;
${storeGradient(split, tile, 'endRow')}
}
`;
}

function storeGradient(split: boolean, tile: Tile, endRow: string): string {
  const base = split ? 'group.z * allRows * 4u * shape.outVectors + ' : '';
  return `  let scale = call.parameterScale / activationScale;
${storeSums(tile, endRow, (place, sum) => `result[${base}${place}] ${split ? '=' : '+='} scale * ${sum};`)}`;
}

/** Adds the splits' sums to the gradient. Bindings: shape `[vectors, splits]`, sums, gradient. */
export const SUM_SPLITS: string = `
${head(['vectors', 'splits'], reads('sums', 'vec4f'), writes('gradient', 'vec4f'))}
${elementwise(
  'shape.vectors',
  /* wgsl */ `  var sum = vec4f();
  for (var split = 0u; split < shape.splits; split++) { sum += sums[split * shape.vectors + i]; }
  gradient[i] += sum;`,
)}
`;

/**
 * The gradient of the bias, Σ_p ∂y[p, n]: one workgroup per vector of channels and chunk of pixels, followed by
 * `SUM_SPLITS`. Bindings: call, shape `[pixels, stride, chunks]` (pixels per image), ∂y, sums `[chunks, stride]`.
 * Workgroups: [stride, chunks].
 */
export function biasGradient(subgroups: boolean): string {
  const { functions, parameter, argument } = reduction(subgroups, 'vec4f');
  return /* wgsl */ `
${callHead(['pixels', 'stride', 'chunks'], reads('gradient'), writes('sums', 'vec4f'))}
${functions}
@compute @workgroup_size(${REDUCED})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32${parameter}) {
  let pixels = call.images * shape.pixels;
  let each = (pixels + shape.chunks - 1u) / shape.chunks;
  let end = min((group.y + 1u) * each, pixels);
  var sum = vec4f();
  for (var p = group.y * each + local; p < end; p += ${REDUCED}u) {
    sum += vec4f(gradient[p * shape.stride + group.x]);
  }
  sum = total(sum, local${argument});
  if (local == 0u) { sums[group.y * shape.stride + group.x] = call.parameterScale * sum; }
}
`;
}
