/** What products of matrices share: sums in a thread's registers, and a piece of both factors in shared memory. */
import { unroll } from './common.ts';
import { type Tile, threadsOf } from './tile.ts';

export function declareSums({ rows, columns }: Tile): string {
  return unroll(rows, (r) => unroll(columns, (c) => `  var sum${r}_${c} = vec4f();`));
}

/** One vector more a row, so that rows begin in different banks. */
export function pitchOf({ depth }: Tile): number {
  return depth + 1;
}

/** What factors are kept as: what layers are, or float32 at the points of Winograd's method. */
export type Kept = 'stored4' | 'vec4f';

/** Shared memory for a piece of both factors. */
export function pieces(tile: Tile, kept: Kept): string {
  const { threadsX, threadsY, rows, columns, depth } = tile;
  return `
var<workgroup> patches: array<${kept}, ${threadsY * rows * pitchOf(tile)}>;
var<workgroup> panel: array<${kept}, ${4 * depth * threadsX * columns}>;
`;
}

/**
 * Four channels of the sum by all columns of the tile, as they stand.
 * @param depth of the sum, in vectors
 * @param base where the weights begin, in rows
 */
export function loadPanel(tile: Tile, kept: Kept, depth = 'depth', base = '0u'): string {
  const tileColumns = tile.threadsX * tile.columns;
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

/** Adds the product of the pieces to the sums. */
export function multiplyPieces(tile: Tile): string {
  const { threadsX, rows, columns, depth } = tile;
  return /* wgsl */ `    for (var k = 0u; k < ${depth}u; k++) {
${unroll(rows, (r) => `      let a${r} = vec4f(patches[(local.y * ${rows}u + ${r}u) * ${pitchOf(tile)}u + k]);`)}
${multiplyRows(tile, (j, c) => `panel[(4u * k + ${j}u) * ${threadsX * columns}u + local.x + ${c * threadsX}u]`)}
    }`;
}

/** Adds four channels of each of the thread's rows, a0, a1, …, by its columns. */
export function multiplyRows({ rows, columns }: Tile, weight: (j: number, column: number) => string): string {
  return unroll(4, (j) =>
    unroll(columns, (c) => {
      const read = `      let b${j}_${c} = vec4f(${weight(j, c)});`;
      return `${read}\n${unroll(rows, (r) => `      sum${r}_${c} = fma(vec4f(a${r}[${j}]), b${j}_${c}, sum${r}_${c});`)}`;
    }),
  );
}
