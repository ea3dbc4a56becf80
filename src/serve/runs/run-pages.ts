/** Pages and tables of runs. src/api implements them, because they evaluate models and draw. */
import type { TablesResponse } from '../contract/runs.ts';

export type Table = TablesResponse['tables'][number];

export interface RunPages {
  /**
   * The HTML report of a run.
   * @param folder path of the run
   * @throws UserError when it cannot be created.
   */
  report(
    folder: string,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<string>;
  /** The results of a run as tables. */
  tables(folder: string): Promise<Table[]>;
}
