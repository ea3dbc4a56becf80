/**
 * Shared by products whose sum runs over pixels, or tiles of pixels: a row is four channels of one factor, a column is
 * four channels of the other, and a thread keeps 4 × 4 sums for each pair of its rows and columns.
 */

import type { Kept, Tile } from './product.ts';
import { unroll } from './wgsl.ts';

export function declareSums({ rows, columns }: Tile): string {
  return unroll(4 * rows, (r) => unroll(columns, (c) => `  var sum${r}_${c} = vec4f();`));
}

/** Declares shared memory for a piece of both factors. */
export function pieces({ threadsX, threadsY, rows, columns, depth }: Tile, kept: Kept): string {
  return `
var<workgroup> patches: array<${kept}, ${depth * threadsY * rows}>;
var<workgroup> gradients: array<${kept}, ${depth * threadsX * columns}>;
`;
}

/** Adds the product of the two pieces to the sums. */
export function multiplyPieces(tile: Tile): string {
  const { threadsX, threadsY, rows, columns, depth } = tile;
  return /* wgsl */ `    for (var k = 0u; k < ${depth}u; k++) {
${unroll(columns, (c) => `      let b${c} = vec4f(gradients[k * ${threadsX * columns}u + local.x + ${c * threadsX}u]);`)}
${unroll(
  rows,
  (r) => `      let a${r} = vec4f(patches[k * ${threadsY * rows}u + local.y + ${r * threadsY}u]);
${multiplyRow(r, columns)}`,
)}
    }`;
}

/** Adds the products of four channels of row r, `a0`, `a1`, …, and all columns, `b0`, `b1`, …. */
export function multiplyRow(r: number, columns: number): string {
  return unroll(4, (j) =>
    unroll(
      columns,
      (c) => `      sum${4 * r + j}_${c} = fma(vec4f(a${r}[${j}]), b${c}, sum${4 * r + j}_${c});`,
    ),
  );
}

/**
 * Stores a thread's sums, but none past the last row and column.
 * @param endRow the row after the last, in vectors
 * @param store the statement for a vector of sums and its index in `[channel of the row, column]`
 */
export function storeSums(
  { threadsX, threadsY, rows, columns, depth }: Tile,
  endRow: string,
  store: (place: string, sum: string) => string,
): string {
  // Through shared memory, a thread's rows and columns are spread over the tile; otherwise they are adjacent.
  const [row, rowStep] = depth > 0 ? ['firstRow + local.y', threadsY] : ['firstRow', 1];
  const [column, columnStep] = depth > 0 ? ['firstColumn + local.x', threadsX] : ['firstColumn', 1];
  return unroll(rows, (r) =>
    unroll(
      columns,
      (c) => /* wgsl */ `  {
    let row = ${row} + ${r * rowStep}u;
    let column = ${column} + ${c * columnStep}u;
    if (row < ${endRow} && column < shape.outVectors) {
${unroll(4, (j) => `      ${store(`(4u * row + ${j}u) * shape.outVectors + column`, `sum${4 * r + j}_${c}`)}`)}
    }
  }`,
    ),
  );
}
