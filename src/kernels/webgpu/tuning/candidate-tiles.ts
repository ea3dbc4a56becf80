/** Tiles of products: the defaults for GPUs and for software devices, and the candidates to compare with them. */
import { type Tile, tileNamed } from '../shaders/product.ts';
import type { TileSize } from '../shaders/winograd-scheme.ts';

/** F(size×size, 3×3), and the tile of its products. */
export interface WinogradTile {
  readonly size: TileSize;
  readonly tile: Tile;
}

export interface TileChoice {
  readonly gather: Tile;
  readonly weightGradient: Tile;
  /** Winograd's method, for 3×3 convolutions with at least `fewestChannels` on both sides. Undefined: never used. */
  readonly winograd?: WinogradTile & { readonly fewestChannels: number };
  /** Winograd's method for the weights' gradient, in batches of at least `fewestPixels`. Undefined: never used. */
  readonly winogradWeights?: WinogradTile & {
    readonly fewestChannels: number;
    readonly fewestPixels: number;
  };
  /** For the forward pass with few results, in order of the tile's rows. Undefined: `gather`. */
  readonly few?: readonly Tile[];
  /** For the input's gradient with few results, in order of the tile's rows. Undefined: `gather`. */
  readonly fewBackward?: readonly Tile[];
  /** Number of workgroups that keeps the device busy; sums are split to reach it. */
  readonly busy: number;
}

/** Parses a list of tile names. */
function tiles(names: string): Tile[] {
  return names.split(' ').map(tileNamed);
}

function winograd(size: TileSize, names: string): WinogradTile[] {
  return tiles(names).map((tile) => ({ size, tile }));
}

/** Software rendering is fastest with registers and the CPU's caches. Shared memory and barriers only take time. */
const SOFTWARE: TileChoice = {
  gather: tileNamed('4x1-4x1-0'),
  weightGradient: tileNamed('4x4-2x1-0'),
  busy: 8,
};

/**
 * 128 × 64 values per workgroup, or 64 × 64 values of a weight, need 14 KiB of the 16 KiB that every device has. With
 * 64 channels, the memory traffic of Winograd's transforms takes as long as the products that they save
 * (docs/guides/gpu.md).
 */
export const HARDWARE: TileChoice = {
  gather: tileNamed('8x16-8x2-4'),
  weightGradient: tileNamed('8x8-2x2-8'),
  winograd: { size: 4, tile: tileNamed('8x16-8x2-4'), fewestChannels: 128 },
  // With few pixels, the products take no longer than the transform of the weights.
  winogradWeights: { size: 4, tile: tileNamed('8x8-2x2-8'), fewestChannels: 128, fewestPixels: 2048 },
  // Neighboring threads read neighboring weights, and each weight is read once for all rows of a tile.
  few: tiles('64x1-1x1-0 64x1-4x1-0 32x1-8x1-0'),
  // Here a sum runs along neighboring weights, which are loaded in pieces of 128 bytes per column.
  fewBackward: tiles('16x4-1x1-8 16x4-4x1-8'),
  busy: 512,
};

export function tilesFor(isSoftware: boolean): TileChoice {
  return isSoftware ? SOFTWARE : HARDWARE;
}

/** Tiles to measure. */
export interface CandidateTiles {
  readonly gather: readonly Tile[];
  readonly weightGradient: readonly Tile[];
  readonly winograd: readonly WinogradTile[];
  readonly winogradWeights: readonly WinogradTile[];
  /** For few results; long sums are split into parts. */
  readonly split: readonly Tile[];
}

const HARDWARE_CANDIDATES: CandidateTiles = {
  gather: tiles('8x16-8x2-4 8x8-8x2-4 8x16-4x2-4 16x8-8x1-4 8x8-4x1-4 16x16-4x1-4'),
  split: tiles('64x1-1x1-0 64x1-4x1-0 32x1-8x1-0 8x8-4x1-4 16x4-1x1-8 16x4-4x1-8'),
  winograd: [...winograd(4, '8x16-8x2-4 8x8-8x2-4 8x8-4x1-4'), ...winograd(2, '8x16-8x2-4')],
  weightGradient: tiles('8x8-2x2-8 16x8-2x1-8 8x8-1x2-8 8x8-1x1-16 16x16-1x1-8'),
  winogradWeights: [...winograd(4, '8x8-2x2-8 16x8-2x1-8 8x8-1x1-16'), ...winograd(2, '8x8-2x2-8')],
};

const SOFTWARE_CANDIDATES: CandidateTiles = {
  gather: tiles('1x16-4x1-0 4x16-4x1-0 16x1-4x1-0 4x4-8x1-0 4x4-4x2-0 4x1-4x1-0 1x4-4x2-0 4x16-2x1-0'),
  split: tiles('16x1-1x1-0 16x1-4x1-0 4x1-4x1-0'),
  winograd: [
    ...winograd(4, '4x1-4x1-0 4x4-4x1-0 16x1-4x1-0 4x1-8x1-0 4x1-4x2-0'),
    ...winograd(2, '4x1-4x1-0'),
  ],
  weightGradient: tiles('4x4-1x1-0 4x1-1x1-0 1x4-1x1-0 4x1-1x2-0 4x4-1x2-0 4x4-2x1-0'),
  winogradWeights: [
    ...winograd(4, '4x4-2x1-0 4x1-1x2-0 4x4-1x1-0 4x1-1x1-0 4x4-1x2-0'),
    ...winograd(2, '4x4-1x1-0'),
  ],
};

/** The candidates that fit in the device's shared memory. */
export function candidateTiles(isSoftware: boolean, workgroupBytes: number): CandidateTiles {
  const all = isSoftware ? SOFTWARE_CANDIDATES : HARDWARE_CANDIDATES;
  const gatherFits = (tile: Tile) => gatherBytes(tile) <= workgroupBytes;
  const weightsFit = (tile: Tile) => weightBytes(tile) <= workgroupBytes;
  return {
    gather: all.gather.filter(gatherFits),
    split: all.split.filter(gatherFits),
    winograd: all.winograd.filter(({ tile }) => gatherFits(tile)),
    weightGradient: all.weightGradient.filter(weightsFit),
    winogradWeights: all.winogradWeights.filter(({ tile }) => weightsFit(tile)),
  };
}

function gatherBytes({ threadsX, threadsY, rows, columns, depth }: Tile): number {
  return 16 * (threadsY * rows * (depth + 1) + 4 * depth * threadsX * columns);
}

function weightBytes({ threadsX, threadsY, rows, columns, depth }: Tile): number {
  return 16 * depth * (threadsY * rows + threadsX * columns);
}
