/**
 * The gradient of 3×3 weights by Winograd's method: ∂w = Gᵀ [Σ over tiles of (B x Bᵀ) ⊙ (Aᵀ ∂y A)] G. The source is
 * transformed as in the forward pass (winograd-transforms.ts), the output's gradient by the transpose of the forward
 * pass's last transform. At each point, a product sums over tiles; its layout is `[split, point, in, out]`.
 */

import { declareSums, multiplyPieces, multiplyRow, pieces, storeSums } from './outer-product.ts';
import { columnsOf, mainOf, rowsOf, type Tile, threadsOf } from './product.ts';
import { callHead, elementwise, reads, unroll, writes } from './wgsl.ts';
import { gatherWeights, inBothDimensions, type Scheme, spreadGradient } from './winograd-scheme.ts';
import { corner, onChunk, storeAtPoint, TRANSFORM_GROUP } from './winograd-transforms.ts';

/** Computes Aᵀ ∂y A for each tile and vector of channels. Bindings: call, shape, ∂y, points. */
export function gradientToPoints(scheme: Scheme): string {
  const { size, extent } = scheme;
  return `
${onChunk(reads('gradient'), writes('points', 'vec4f'))}
${corner(size)}
fn valueAt(base: u32, y: u32, x: u32) -> vec4f {
  if (y >= shape.outHeight || x >= shape.outWidth) { return vec4f(); }
  return vec4f(gradient[base + (y * shape.outWidth + x) * shape.outVectors]);
}
${elementwise(
  'tilesHere() * shape.outVectors',
  /* wgsl */ `  let corner = corner(i / shape.outVectors);
  let base = corner.x * shape.outHeight * shape.outWidth * shape.outVectors + i % shape.outVectors;
  let step = shape.tiles * shape.outVectors;
${inBothDimensions(
  spreadGradient,
  scheme,
  [size, extent],
  ['y', 't', 'v'],
  (r, c) => `valueAt(base, corner.y + ${r}u, corner.z + ${c}u)`,
  storeAtPoint(scheme),
)}`,
  TRANSFORM_GROUP,
)}
`;
}

/**
 * Computes the products at the points and adds them to those of earlier chunks. Bindings: call, shape, source and
 * gradient at the points, result. Workgroups: tiles of rows in x, tiles of columns in y, points times splits in z.
 */
export function pointGradients({ extent }: Scheme, tile: Tile): string {
  return `
${onChunk(reads('source', 'vec4f'), reads('gradient', 'vec4f'), writes('result', 'vec4f'))}
/** First tile of a split. */
fn splitStart(split: u32, splits: u32) -> u32 {
  let count = tilesHere();
  return min(split * ((count + splits - 1u) / splits), count);
}
fn store(place: u32, sum: vec4f) {
  if (shape.firstTile == 0u) { result[place] = sum; } else { result[place] += sum; }
}
${tile.depth > 0 ? shared(extent ** 2, tile) : direct(extent ** 2, tile)}
`;
}

/** Declares the point, and the split's range of tiles. */
function beginning(points: number): string {
  return /* wgsl */ `  let point = group.z % ${points}u;
  let split = group.z / ${points}u;
  let begin = splitStart(split, groups.z / ${points}u);
  let end = splitStart(split + 1u, groups.z / ${points}u);
  let base = group.z * 4u * shape.inVectors * shape.outVectors;`;
}

function storeAdded(place: string, sum: string): string {
  return `store(base + ${place}, ${sum});`;
}

function shared(points: number, tile: Tile): string {
  const { depth } = tile;
  const [tileRows, tileColumns] = [rowsOf(tile), columnsOf(tile)];
  const load = (piece: string, from: string, width: number, vectors: string, first: string) =>
    /* wgsl */ `    for (var at = thread; at < ${depth * width}u; at += ${threadsOf(tile)}u) {
      let t = first + at / ${width}u;
      let vector = ${first} + at % ${width}u;
      var value = vec4f();
      if (t < end && vector < ${vectors}) { value = ${from}[(point * shape.tiles + t) * ${vectors} + vector]; }
      ${piece}[at] = value;
    }`;
  return /* wgsl */ `
${pieces(tile, 'vec4f')}
${mainOf(tile)}
${beginning(points)}
  let firstRow = group.x * ${tileRows}u;
  let firstColumn = group.y * ${tileColumns}u;
${declareSums(tile)}
  for (var first = begin; first < end; first += ${depth}u) {
${load('patches', 'source', tileRows, 'shape.inVectors', 'firstRow')}
${load('gradients', 'gradient', tileColumns, 'shape.outVectors', 'firstColumn')}
    workgroupBarrier();
${multiplyPieces(tile)}
    workgroupBarrier();
  }
${storeSums(tile, 'shape.inVectors', storeAdded)}
}
`;
}

function direct(points: number, tile: Tile): string {
  const { threadsX, threadsY, rows, columns } = tile;
  return /* wgsl */ `
${mainOf(tile)}
${beginning(points)}
  let firstRow = (group.x * ${threadsY}u + local.y) * ${rows}u;
  let firstColumn = (group.y * ${threadsX}u + local.x) * ${columns}u;
  if (firstRow >= shape.inVectors || firstColumn >= shape.outVectors) { return; }
${unroll(rows, (r) => `  let vector${r} = min(firstRow + ${r}u, shape.inVectors - 1u);`)}
${unroll(columns, (c) => `  let column${c} = min(firstColumn + ${c}u, shape.outVectors - 1u);`)}
  var place = (point * shape.tiles + begin) * shape.inVectors;
  var at = (point * shape.tiles + begin) * shape.outVectors;
${declareSums(tile)}
  for (var t = begin; t < end; t++) {
${unroll(columns, (c) => `    let b${c} = gradient[at + column${c}];`)}
${unroll(
  rows,
  (r) => `    let a${r} = source[place + vector${r}];
${multiplyRow(r, columns)}`,
)}
    place += shape.inVectors;
    at += shape.outVectors;
  }
${storeSums(tile, 'shape.inVectors', storeAdded)}
}
`;
}

/**
 * Adds up all splits and adds their Gᵀ m G to the gradient, one thread per input channel and vector of output channels.
 * Bindings: call, shape `[inVectors, outVectors, splits]`, points, gradient.
 */
export function pointsToWeights(scheme: Scheme): string {
  const { extent } = scheme;
  return `
${callHead(['inVectors', 'outVectors', 'splits'], reads('points', 'vec4f'), writes('gradient', 'vec4f'))}
/** The sum of a point over the splits, always in the same order. */
fn pointAt(point: u32, i: u32, step: u32) -> vec4f {
  var sum = points[point * step + i];
  for (var split = 1u; split < shape.splits; split++) { sum += points[(split * ${extent ** 2}u + point) * step + i]; }
  return sum;
}
${elementwise(
  '4u * shape.inVectors * shape.outVectors',
  /* wgsl */ `  let step = 4u * shape.inVectors * shape.outVectors;
  let scale = call.parameterScale / activationScale;
${inBothDimensions(
  gatherWeights,
  scheme,
  [extent, 3],
  ['m', 't', 'w'],
  (p, c) => `pointAt(${p * extent + c}u, i, step)`,
  (r, c, value) => `gradient[${3 * r + c}u * step + i] += scale * ${value};`,
)}`,
  TRANSFORM_GROUP,
)}
`;
}
