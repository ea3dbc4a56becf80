/** Shared by matrix products: the tile, a thread's sums in registers, and a piece of both factors in shared memory. */
import { unroll } from './wgsl.ts';

/**
 * The tile of a product: a workgroup computes (threadsY · rows) × (threadsX · columns · 4) values, of which each thread
 * keeps `rows` × `columns` vectors in registers.
 */
export interface Tile {
  /** Threads of a workgroup across columns (x) and rows (y). */
  readonly threadsX: number;
  readonly threadsY: number;
  /** Rows per thread (in vectors of four where rows are weights), and columns per thread, in vectors of four. */
  readonly rows: number;
  readonly columns: number;
  /**
   * Depth of the piece that a workgroup loads into shared memory at a time, in vectors of four (in pixels where the sum
   * runs over pixels). 0: no shared memory; each thread reads through the caches.
   */
  readonly depth: number;
}

export function threadsOf({ threadsX, threadsY }: Tile): number {
  return threadsX * threadsY;
}

/** Rows of a workgroup's tile. */
export function rowsOf({ threadsY, rows }: Tile): number {
  return threadsY * rows;
}

/** Columns of a workgroup's tile, in vectors of four. */
export function columnsOf({ threadsX, columns }: Tile): number {
  return threadsX * columns;
}

/** A name without spaces, equal for equal tiles: threads in x and y, rows and columns per thread, depth. */
export function tileName({ threadsX, threadsY, rows, columns, depth }: Tile): string {
  return `${threadsX}x${threadsY}-${rows}x${columns}-${depth}`;
}

/** The inverse of `tileName`. */
export function tileNamed(name: string): Tile {
  const [threadsX, threadsY, rows, columns, depth] = name.split(/[x-]/).map(Number);
  return { threadsX: threadsX!, threadsY: threadsY!, rows: rows!, columns: columns!, depth: depth! };
}

/** Opens `main`, which `}` must close. */
export function mainOf({ threadsX, threadsY }: Tile): string {
  return /* wgsl */ `@compute @workgroup_size(${threadsX}, ${threadsY})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) thread: u32) {`;
}

export function declareSums({ rows, columns }: Tile): string {
  return unroll(rows, (r) => unroll(columns, (c) => `  var sum${r}_${c} = vec4f();`));
}

/** Distance between rows in shared memory: one extra vector, so that rows begin in different banks. */
export function pitchOf({ depth }: Tile): number {
  return depth + 1;
}

/** Format of factors: that of activations, or float32 at the points of Winograd's method. */
export type Kept = 'stored4' | 'vec4f';

/** Declares shared memory for a piece of both factors. */
export function pieces(tile: Tile, kept: Kept): string {
  const { threadsX, threadsY, rows, columns, depth } = tile;
  return `
var<workgroup> patches: array<${kept}, ${threadsY * rows * pitchOf(tile)}>;
var<workgroup> panel: array<${kept}, ${4 * depth * threadsX * columns}>;
`;
}

/**
 * Loads the tile's columns of a piece of the weights into `panel`.
 * @param depth of the sum, in vectors
 * @param base first row of the weights
 */
export function loadPanel(tile: Tile, kept: Kept, depth = 'depth', base = '0u'): string {
  const tileColumns = columnsOf(tile);
  const count = 4 * tile.depth * tileColumns;
  return /* wgsl */ `    for (var at = thread; at < ${count}u; at += ${threadsOf(tile)}u) {
      let k = 4u * first + at / ${tileColumns}u;
      let column = firstColumn + at % ${tileColumns}u;
      var value = ${kept}();
      if (k < 4u * ${depth} && column < shape.outVectors) {
        value = weights[(${base} + k) * shape.outVectors + column];
      }
      panel[at] = value;
    }`;
}

/** Adds the product of the two pieces to the sums. */
export function multiplyPieces(tile: Tile): string {
  const { threadsX, rows, columns, depth } = tile;
  return /* wgsl */ `    for (var k = 0u; k < ${depth}u; k++) {
${unroll(rows, (r) => `      let a${r} = vec4f(patches[(local.y * ${rows}u + ${r}u) * ${pitchOf(tile)}u + k]);`)}
${multiplyRows(tile, (j, c) => `panel[(4u * k + ${j}u) * ${threadsX * columns}u + local.x + ${c * threadsX}u]`)}
    }`;
}

/** Adds the products of four channels of each of the thread's rows, a0, a1, …, and its columns. */
export function multiplyRows({ rows, columns }: Tile, weight: (j: number, column: number) => string): string {
  return unroll(4, (j) =>
    unroll(columns, (c) => {
      const read = `      let b${j}_${c} = vec4f(${weight(j, c)});`;
      return `${read}\n${unroll(rows, (r) => `      sum${r}_${c} = fma(vec4f(a${r}[${j}]), b${j}_${c}, sum${r}_${c});`)}`;
    }),
  );
}

/** A thread's first row and column, and the distance from each of its columns to the next, in vectors. */
export interface Corner {
  readonly row: string;
  readonly column: string;
  readonly columnStep: number;
}

/** Where factors are in shared memory: a thread's rows are adjacent, its columns are spread over the tile. */
export function sharedCorner({ threadsX, rows }: Tile): Corner {
  return { row: `firstRow + local.y * ${rows}u`, column: 'firstColumn + local.x', columnStep: threadsX };
}

/** Where each thread reads for itself: `firstRow` and `firstColumn` are the thread's own. */
export const DIRECT_CORNER: Corner = { row: 'firstRow', column: 'firstColumn', columnStep: 1 };

/** Stores a thread's sums up to the last row and column. @param store statements for a sum at `row + r`, `column` */
export function storeSums(
  { rows, columns }: Tile,
  { row, column, columnStep }: Corner,
  store: (r: number, sum: string) => string,
): string {
  return unroll(
    columns,
    (c) => /* wgsl */ `  {
    let column = ${column} + ${c * columnStep}u;
    let row = ${row};
    if (column < shape.outVectors) {
${unroll(
  rows,
  (r) => /* wgsl */ `      if (row + ${r}u < rows) {
${store(r, `sum${r}_${c}`)}
      }`,
)}
    }
  }`,
  );
}
