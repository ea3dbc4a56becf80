/** Which kernels were found to be fastest on a GPU, remembered between runs of Node. */
import { RememberedLines } from '../../core/cache.ts';
import type { TileMemory } from './tuning.ts';

export class NodeTileMemory extends RememberedLines implements TileMemory {
  /** @param folder the cache folder */
  constructor(adapter: string, folder?: string) {
    super({
      subfolder: 'gpu-tiles',
      about: adapter,
      // Grows when kernels change so that old choices would mislead.
      format: 'verydeep gpu tiles 1',
      line: /^\S+ \S+$/,
      folder,
    });
  }
}
