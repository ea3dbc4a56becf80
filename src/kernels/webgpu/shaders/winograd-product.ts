/**
 * The matrix products at the points of Winograd's method: [tiles × input channels] · [input channels × output
 * channels]. Bindings: call, shape, source and weights at the points, result. Workgroups: tiles of rows in x, tiles of
 * columns in y, points in z.
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
import { reads, unroll, writes } from './wgsl.ts';
import { onChunk } from './winograd-transforms.ts';

export function pointProduct(tile: Tile): string {
  return `
${onChunk(reads('source', 'vec4f'), reads('weights', 'vec4f'), writes('result', 'vec4f'))}
${tile.depth > 0 ? shared(tile) : direct(tile)}
`;
}

function shared(tile: Tile): string {
  const { depth } = tile;
  const tileRows = rowsOf(tile);
  return /* wgsl */ `
${pieces(tile, 'vec4f')}
${mainOf(tile)}
  let rows = tilesHere();
  let depth = shape.inVectors;
  let firstRow = group.x * ${tileRows}u;
  let firstColumn = group.y * ${columnsOf(tile)}u;
${declareSums(tile)}
  for (var first = 0u; first < depth; first += ${depth}u) {
    for (var at = thread; at < ${tileRows * depth}u; at += ${threadsOf(tile)}u) {
      let k = first + at % ${depth}u;
      let row = firstRow + at / ${depth}u;
      var value = vec4f();
      if (k < depth && row < rows) { value = source[(group.z * shape.tiles + row) * depth + k]; }
      patches[(at / ${depth}u) * ${pitchOf(tile)}u + at % ${depth}u] = value;
    }
${loadPanel(tile, 'vec4f', 'depth', '4u * group.z * depth')}
    workgroupBarrier();
${multiplyPieces(tile)}
    workgroupBarrier();
  }
${storeProducts(tile, sharedCorner(tile))}
}
`;
}

function direct(tile: Tile): string {
  const { threadsX, threadsY, rows, columns } = tile;
  return /* wgsl */ `
${mainOf(tile)}
  let rows = tilesHere();
  let firstRow = (group.x * ${threadsY}u + local.y) * ${rows}u;
  let firstColumn = (group.y * ${threadsX}u + local.x) * ${columns}u;
  if (firstRow >= rows || firstColumn >= shape.outVectors) { return; }
${unroll(rows, (r) => `  let place${r} = (group.z * shape.tiles + min(firstRow + ${r}u, rows - 1u)) * shape.inVectors;`)}
${unroll(columns, (c) => `  let column${c} = min(firstColumn + ${c}u, shape.outVectors - 1u);`)}
  var row = 4u * group.z * shape.inVectors;
${declareSums(tile)}
  for (var k = 0u; k < shape.inVectors; k++) {
${unroll(rows, (r) => `      let a${r} = source[place${r} + k];`)}
${multiplyRows(tile, (j, c) => `weights[(row + ${j}u) * shape.outVectors + column${c}]`)}
    row += 4u;
  }
${storeProducts(tile, DIRECT_CORNER)}
}
`;
}

function storeProducts(tile: Tile, corner: Corner): string {
  const place = (r: number) => `(group.z * shape.tiles + row + ${r}u) * shape.outVectors + column`;
  return storeSums(tile, corner, (r, sum) => `        result[${place(r)}] = ${sum};`);
}
