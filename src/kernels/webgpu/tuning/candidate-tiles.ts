/** Tiles of products: the usual ones of a kind of device, and those to measure against them. */
import type { Tile } from '../shaders/product.ts';
import type { TileSize } from '../shaders/winograd-scheme.ts';

/** F(size×size, 3×3), and the tile of its products. */
export interface WinogradTile {
  readonly size: TileSize;
  readonly tile: Tile;
}

export interface TileChoice {
  readonly gather: Tile;
  readonly weightGradient: Tile;
  /** Winograd's method for 3×3 convolutions with at least so many channels on both sides. Undefined: nowhere. */
  readonly winograd?: WinogradTile & { readonly fewestChannels: number };
  /** Winograd's method for the weights' gradient, for batches of at least so many pixels. Undefined: nowhere. */
  readonly winogradWeights?: WinogradTile & {
    readonly fewestChannels: number;
    readonly fewestPixels: number;
  };
  /** Forward, where there are few results, by the number of a tile's rows. Undefined: `gather`. */
  readonly few?: readonly Tile[];
  /** To the input's gradient, where there are few results. Undefined: `gather`. */
  readonly fewBackward?: readonly Tile[];
  /** Workgroups that keep the device busy: sums are split to get as many. */
  readonly busy: number;
}

function tile(threadsX: number, threadsY: number, rows: number, columns: number, depth: number): Tile {
  return { threadsX, threadsY, rows, columns, depth };
}

/** A CPU in place of a GPU likes registers and its caches. Shared memory and barriers only cost it time. */
const SOFTWARE: TileChoice = {
  gather: tile(4, 1, 4, 1, 0),
  weightGradient: tile(4, 4, 2, 1, 0),
  busy: 8,
};

/**
 * 128 × 64 values per workgroup, 64 × 64 of a weight: 14 KiB of the 16 that every device has. With 64 channels, the
 * memory traffic of Winograd's transforms takes as long as the products that they save (docs/guides/gpu.md).
 */
export const HARDWARE: TileChoice = {
  gather: tile(8, 16, 8, 2, 4),
  weightGradient: tile(8, 8, 2, 2, 8),
  winograd: { size: 4, tile: tile(8, 16, 8, 2, 4), fewestChannels: 128 },
  // For few pixels, the products take no longer than the weights' own transform.
  winogradWeights: { size: 4, tile: tile(8, 8, 2, 2, 8), fewestChannels: 128, fewestPixels: 2048 },
  // Neighboring threads read neighboring weights, and each weight is read once for all rows of a tile.
  few: [tile(64, 1, 1, 1, 0), tile(64, 1, 4, 1, 0), tile(32, 1, 8, 1, 0)],
  // Here a sum runs along neighboring weights: pieces of 128 bytes of each column.
  fewBackward: [tile(16, 4, 1, 1, 8), tile(16, 4, 4, 1, 8)],
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
  /** Where there are few results; long sums are split into parts. */
  readonly split: readonly Tile[];
}

const HARDWARE_CANDIDATES: CandidateTiles = {
  gather: [
    tile(8, 16, 8, 2, 4),
    tile(8, 8, 8, 2, 4),
    tile(8, 16, 4, 2, 4),
    tile(16, 8, 8, 1, 4),
    tile(8, 8, 4, 1, 4),
    tile(16, 16, 4, 1, 4),
  ],
  split: [
    tile(64, 1, 1, 1, 0),
    tile(64, 1, 4, 1, 0),
    tile(32, 1, 8, 1, 0),
    tile(8, 8, 4, 1, 4),
    tile(16, 4, 1, 1, 8),
    tile(16, 4, 4, 1, 8),
  ],
  winograd: [
    { size: 4, tile: tile(8, 16, 8, 2, 4) },
    { size: 4, tile: tile(8, 8, 8, 2, 4) },
    { size: 4, tile: tile(8, 8, 4, 1, 4) },
    { size: 2, tile: tile(8, 16, 8, 2, 4) },
  ],
  weightGradient: [
    tile(8, 8, 2, 2, 8),
    tile(16, 8, 2, 1, 8),
    tile(8, 8, 1, 2, 8),
    tile(8, 8, 1, 1, 16),
    tile(16, 16, 1, 1, 8),
  ],
  winogradWeights: [
    { size: 4, tile: tile(8, 8, 2, 2, 8) },
    { size: 4, tile: tile(16, 8, 2, 1, 8) },
    { size: 4, tile: tile(8, 8, 1, 1, 16) },
    { size: 2, tile: tile(8, 8, 2, 2, 8) },
  ],
};

const SOFTWARE_CANDIDATES: CandidateTiles = {
  gather: [
    tile(1, 16, 4, 1, 0),
    tile(4, 16, 4, 1, 0),
    tile(16, 1, 4, 1, 0),
    tile(4, 4, 8, 1, 0),
    tile(4, 4, 4, 2, 0),
    tile(4, 1, 4, 1, 0),
    tile(1, 4, 4, 2, 0),
    tile(4, 16, 2, 1, 0),
  ],
  split: [tile(16, 1, 1, 1, 0), tile(16, 1, 4, 1, 0), tile(4, 1, 4, 1, 0)],
  winograd: [
    { size: 4, tile: tile(4, 1, 4, 1, 0) },
    { size: 4, tile: tile(4, 4, 4, 1, 0) },
    { size: 4, tile: tile(16, 1, 4, 1, 0) },
    { size: 4, tile: tile(4, 1, 8, 1, 0) },
    { size: 4, tile: tile(4, 1, 4, 2, 0) },
    { size: 2, tile: tile(4, 1, 4, 1, 0) },
  ],
  weightGradient: [
    tile(4, 4, 1, 1, 0),
    tile(4, 1, 1, 1, 0),
    tile(1, 4, 1, 1, 0),
    tile(4, 1, 1, 2, 0),
    tile(4, 4, 1, 2, 0),
    tile(4, 4, 2, 1, 0),
  ],
  winogradWeights: [
    { size: 4, tile: tile(4, 4, 2, 1, 0) },
    { size: 4, tile: tile(4, 1, 1, 2, 0) },
    { size: 4, tile: tile(4, 4, 1, 1, 0) },
    { size: 4, tile: tile(4, 1, 1, 1, 0) },
    { size: 4, tile: tile(4, 4, 1, 2, 0) },
    { size: 2, tile: tile(4, 4, 1, 1, 0) },
  ],
};

/** Those that fit the device's shared memory. */
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
