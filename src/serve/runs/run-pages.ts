/** What src/api makes of a run for people; handed in, since it evaluates models and draws. */
import type { TablesResponse } from '../contract/runs.ts';

export type Table = TablesResponse['tables'][number];

export interface RunPages {
  /**
   * The HTML report of a run.
   * @param folder path of the run
   * @throws UserError when it cannot be made.
   */
  report(
    folder: string,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<string>;
  /** Its results as tables. */
  tables(folder: string): Promise<Table[]>;
}
