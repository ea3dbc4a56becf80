/** Plans a convolution by Winograd's method: its tiles, the chunks of tiles, and the splits of sums. */
import type { Tile } from './shaders/product.ts';
import type { TileSize } from './shaders/winograd-scheme.ts';
import type { WinogradShape } from './shaders/winograd-transforms.ts';
import { type PlacedConvolution, vectorsOf } from './stages.ts';
import type { Choice, Direction } from './tuning/candidates.ts';

/**
 * Largest number of bytes of a chunk's values at the points, before or after the product. It fits in the last-level
 * cache of a large GPU, and has enough tiles for 500 workgroups.
 */
const CHUNK = 32 * 2 ** 20;

/** Smallest number of tiles per split. */
const FEWEST_TILES = 32;
/** Largest number of bytes of the weights' gradient's products, at the points of all splits. */
const MOST_PRODUCTS = 64 * 2 ** 20;

export type WinogradChoice = Choice & { readonly method: 'winograd'; readonly size: TileSize };

export interface Plan {
  readonly shape: WinogradShape;
  readonly chunks: number;
  readonly points: number;
  readonly tilesOf: (images: number) => number;
}

/** The input's gradient is a convolution of the output's; the weights' gradient uses the forward pass's tiles. */
export function planFor(
  direction: Direction,
  { stage, input, output }: PlacedConvolution,
  size: TileSize,
): Plan {
  const [source, result] = direction === 'backward' ? [output, input] : [input, output];
  const { padding } = stage.layer;
  const [images, , outHeight, outWidth] = result;
  const [inVectors, outVectors] = [vectorsOf(source), vectorsOf(result)];
  const [tilesDown, tilesAcross] = [Math.ceil(outHeight / size), Math.ceil(outWidth / size)];
  const points = (size + 2) ** 2;
  const all = images * tilesDown * tilesAcross;
  const fitting = Math.max(1, Math.floor(CHUNK / (16 * points * Math.max(inVectors, outVectors))));
  const chunks = Math.ceil(all / fitting);
  const shape = {
    inHeight: source[2],
    inWidth: source[3],
    inVectors,
    outHeight,
    outWidth,
    outVectors,
    tilesDown,
    tilesAcross,
    firstTile: 0,
    tiles: Math.ceil(all / chunks),
    padding: direction === 'backward' ? 2 - padding : padding,
  };
  return { shape, chunks, points, tilesOf: (count) => count * tilesDown * tilesAcross };
}

/** Workgroups per point for the products of the weights' gradient. */
export function gradientGroups({ shape }: Plan, tile: Tile): [down: number, across: number] {
  return [
    Math.ceil(shape.inVectors / (tile.threadsY * tile.rows)),
    Math.ceil(shape.outVectors / (tile.threadsX * tile.columns)),
  ];
}

/** Number of parts into which a chunk's sum over tiles is split, so that there are enough workgroups. */
export function gradientSplits(plan: Plan, tile: Tile, busy: number): number {
  const { points, shape } = plan;
  const [down, across] = gradientGroups(plan, tile);
  const wanted = Math.ceil(busy / (points * down * across));
  const room = Math.floor(MOST_PRODUCTS / (64 * points * shape.inVectors * shape.outVectors));
  return Math.max(1, Math.min(wanted, Math.floor(shape.tiles / FEWEST_TILES), room));
}
