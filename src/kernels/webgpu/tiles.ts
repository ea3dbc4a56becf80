/** Which tile a product gets, by the device. */
import type { GpuLimits } from './device.ts';
import type { Tile } from './shaders/tile.ts';
import type { TileSize } from './shaders/winograd-scheme.ts';

/** F(size×size, 3×3), and how its products are cut. */
export interface WinogradTile {
  readonly size: TileSize;
  readonly tile: Tile;
}

export interface TileChoice {
  readonly gather: Tile;
  readonly weightGradient: Tile;
  /** Winograd's method for 3×3 with at least so many channels on both sides; undefined: nowhere. */
  readonly winograd?: WinogradTile & { readonly fewestChannels: number };
  /** The weights' gradient by it, of a batch of at least so many pixels; undefined: nowhere. */
  readonly winogradWeights?: WinogradTile & {
    readonly fewestChannels: number;
    readonly fewestPixels: number;
  };
  /** Where there are few results, by how many rows a tile has; undefined: as everywhere. */
  readonly few?: readonly Tile[];
  /** The same to the input's gradient. */
  readonly fewBackward?: readonly Tile[];
  /** Workgroups that a sum is cut into so as to keep the device busy. */
  readonly busy: number;
}

/** A processor that plays a GPU wants registers and its caches: shared memory and barriers only cost it time. */
const SOFTWARE: TileChoice = {
  gather: { threadsX: 4, threadsY: 1, rows: 4, columns: 1, depth: 0 },
  weightGradient: { threadsX: 4, threadsY: 4, rows: 2, columns: 1, depth: 0 },
  busy: 8,
};

/**
 * 128 × 64 values a workgroup, 64 × 64 of a weight: 14 KiB of the 16 that every device has. With 64 channels what
 * Winograd's transforms move takes as long as the products that they save (docs/explanation/webgpu.md).
 */
export const HARDWARE: TileChoice = {
  gather: { threadsX: 8, threadsY: 16, rows: 8, columns: 2, depth: 4 },
  weightGradient: { threadsX: 8, threadsY: 8, rows: 2, columns: 2, depth: 8 },
  winograd: {
    size: 4,
    tile: { threadsX: 8, threadsY: 16, rows: 8, columns: 2, depth: 4 },
    fewestChannels: 128,
  },
  // What is at the points of the weights themselves takes as long as few pixels' products.
  winogradWeights: {
    size: 4,
    tile: { threadsX: 8, threadsY: 8, rows: 2, columns: 2, depth: 8 },
    fewestChannels: 128,
    fewestPixels: 2048,
  },
  // Threads side by side read weights that lie side by side; each is read once for all of a tile's rows.
  few: [
    { threadsX: 64, threadsY: 1, rows: 1, columns: 1, depth: 0 },
    { threadsX: 64, threadsY: 1, rows: 4, columns: 1, depth: 0 },
    { threadsX: 32, threadsY: 1, rows: 8, columns: 1, depth: 0 },
  ],
  // There a sum goes along weights that lie side by side: pieces of 128 bytes of each column.
  fewBackward: [
    { threadsX: 16, threadsY: 4, rows: 1, columns: 1, depth: 8 },
    { threadsX: 16, threadsY: 4, rows: 4, columns: 1, depth: 8 },
  ],
  busy: 512,
};

export function tilesFor(isSoftware: boolean): TileChoice {
  return isSoftware ? SOFTWARE : HARDWARE;
}

/** Tiles to choose from by measurement. */
export interface CandidateTiles {
  readonly gather: readonly Tile[];
  readonly weightGradient: readonly Tile[];
  readonly winograd: readonly WinogradTile[];
  readonly winogradWeights: readonly WinogradTile[];
  /** Where there are few results, of sums that are cut into parts if they are long. */
  readonly split: readonly Tile[];
}

/** Those that the device's shared memory holds. */
export function candidateTiles(isSoftware: boolean, limits: GpuLimits): CandidateTiles {
  const fits = (bytes: (tile: Tile) => number) => (tile: Tile) => bytes(tile) <= limits.workgroupBytes;
  const gather = isSoftware ? SOFTWARE_GATHER : HARDWARE_GATHER;
  const weightGradient = isSoftware ? SOFTWARE_WEIGHTS : HARDWARE_WEIGHTS;
  return {
    gather: gather.filter(fits(gatherBytes)),
    weightGradient: weightGradient.filter(fits(weightBytes)),
    split: (isSoftware ? SOFTWARE_SPLIT : HARDWARE_SPLIT).filter(fits(gatherBytes)),
    winograd: (isSoftware ? SOFTWARE_WINOGRAD : HARDWARE_WINOGRAD).filter(({ tile }) =>
      fits(gatherBytes)(tile),
    ),
    winogradWeights: (isSoftware ? SOFTWARE_WINOGRAD_WEIGHTS : HARDWARE_WINOGRAD_WEIGHTS).filter(({ tile }) =>
      fits(weightBytes)(tile),
    ),
  };
}

function gatherBytes({ threadsX, threadsY, rows, columns, depth }: Tile): number {
  return 16 * (threadsY * rows * (depth + 1) + 4 * depth * threadsX * columns);
}

function weightBytes({ threadsX, threadsY, rows, columns, depth }: Tile): number {
  return 16 * depth * (threadsY * rows + threadsX * columns);
}

function tile(threadsX: number, threadsY: number, rows: number, columns: number, depth: number): Tile {
  return { threadsX, threadsY, rows, columns, depth };
}

const HARDWARE_GATHER: readonly Tile[] = [
  tile(8, 16, 8, 2, 4),
  tile(8, 8, 8, 2, 4),
  tile(8, 16, 4, 2, 4),
  tile(16, 8, 8, 1, 4),
  tile(8, 8, 4, 1, 4),
  tile(16, 16, 4, 1, 4),
];

const HARDWARE_SPLIT: readonly Tile[] = [
  tile(64, 1, 1, 1, 0),
  tile(64, 1, 4, 1, 0),
  tile(32, 1, 8, 1, 0),
  tile(8, 8, 4, 1, 4),
  tile(16, 4, 1, 1, 8),
  tile(16, 4, 4, 1, 8),
];

const HARDWARE_WINOGRAD: readonly WinogradTile[] = [
  { size: 4, tile: tile(8, 16, 8, 2, 4) },
  { size: 4, tile: tile(8, 8, 8, 2, 4) },
  { size: 4, tile: tile(8, 8, 4, 1, 4) },
  { size: 2, tile: tile(8, 16, 8, 2, 4) },
];

const HARDWARE_WEIGHTS: readonly Tile[] = [
  tile(8, 8, 2, 2, 8),
  tile(16, 8, 2, 1, 8),
  tile(8, 8, 1, 2, 8),
  tile(8, 8, 1, 1, 16),
  tile(16, 16, 1, 1, 8),
];

const HARDWARE_WINOGRAD_WEIGHTS: readonly WinogradTile[] = [
  { size: 4, tile: tile(8, 8, 2, 2, 8) },
  { size: 4, tile: tile(16, 8, 2, 1, 8) },
  { size: 4, tile: tile(8, 8, 1, 1, 16) },
  { size: 2, tile: tile(8, 8, 2, 2, 8) },
];

const SOFTWARE_GATHER: readonly Tile[] = [
  tile(1, 16, 4, 1, 0),
  tile(4, 16, 4, 1, 0),
  tile(16, 1, 4, 1, 0),
  tile(4, 4, 8, 1, 0),
  tile(4, 4, 4, 2, 0),
  tile(4, 1, 4, 1, 0),
  tile(1, 4, 4, 2, 0),
  tile(4, 16, 2, 1, 0),
];

const SOFTWARE_SPLIT: readonly Tile[] = [tile(16, 1, 1, 1, 0), tile(16, 1, 4, 1, 0), tile(4, 1, 4, 1, 0)];

const SOFTWARE_WEIGHTS: readonly Tile[] = [
  tile(4, 4, 1, 1, 0),
  tile(4, 1, 1, 1, 0),
  tile(1, 4, 1, 1, 0),
  tile(4, 1, 1, 2, 0),
  tile(4, 4, 1, 2, 0),
  tile(4, 4, 2, 1, 0),
];

const SOFTWARE_WINOGRAD: readonly WinogradTile[] = [
  { size: 4, tile: tile(4, 1, 4, 1, 0) },
  { size: 4, tile: tile(4, 4, 4, 1, 0) },
  { size: 4, tile: tile(16, 1, 4, 1, 0) },
  { size: 4, tile: tile(4, 1, 8, 1, 0) },
  { size: 4, tile: tile(4, 1, 4, 2, 0) },
  { size: 2, tile: tile(4, 1, 4, 1, 0) },
];

const SOFTWARE_WINOGRAD_WEIGHTS: readonly WinogradTile[] = [
  { size: 4, tile: tile(4, 4, 2, 1, 0) },
  { size: 4, tile: tile(4, 1, 1, 2, 0) },
  { size: 4, tile: tile(4, 4, 1, 1, 0) },
  { size: 4, tile: tile(4, 1, 1, 1, 0) },
  { size: 4, tile: tile(4, 4, 1, 2, 0) },
  { size: 2, tile: tile(4, 4, 1, 1, 0) },
];
