/**
 * How a product is cut: a workgroup computes a tile of (threadsY · rows) × (threadsX · columns · 4) values, a thread
 * `rows` × `columns` vectors of them in its registers.
 */
export interface Tile {
  /** Threads of a workgroup across the columns and down the rows. */
  readonly threadsX: number;
  readonly threadsY: number;
  /** Of a thread: rows (in vectors of four where the rows are weights), and columns in vectors of four. */
  readonly rows: number;
  readonly columns: number;
  /**
   * How deep the piece is that a workgroup brings into its shared memory at a time, in vectors of four (where
   * the sum goes over pixels: in pixels). 0: threads read for themselves, and leave it to the caches.
   */
  readonly depth: number;
}

export function threadsOf({ threadsX, threadsY }: Tile): number {
  return threadsX * threadsY;
}

/** Short and the same for equal tiles. */
export function tileName({ threadsX, threadsY, rows, columns, depth }: Tile): string {
  return `${threadsX}x${threadsY}-${rows}x${columns}-${depth}`;
}
