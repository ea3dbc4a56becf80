/** Which tile a product gets, by its shape and the device. */
import type { Tile } from './shaders/tile.ts';

/** What of a device decides: a processor that plays a GPU wants registers and its caches, no shared memory. */
export interface TileChoice {
  readonly gather: Tile;
  readonly weightGradient: Tile;
  /** Workgroups that a sum is cut into so as to keep the device busy. */
  readonly busy: number;
}

const SOFTWARE: TileChoice = {
  gather: { threadsX: 4, threadsY: 16, rows: 4, columns: 1, depth: 0 },
  weightGradient: { threadsX: 4, threadsY: 4, rows: 1, columns: 1, depth: 0 },
  busy: 8,
};

const HARDWARE: TileChoice = {
  gather: { threadsX: 8, threadsY: 16, rows: 8, columns: 2, depth: 4 },
  weightGradient: { threadsX: 8, threadsY: 8, rows: 2, columns: 2, depth: 8 },
  busy: 512,
};

export function tilesFor(isSoftware: boolean): TileChoice {
  return isSoftware ? SOFTWARE : HARDWARE;
}
