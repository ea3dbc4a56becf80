/**
 * What our own kernels have found out about this machine, remembered between runs: the fastest of the schedules that
 * give the same bits (docs/explanation/kernels.md).
 */
import { cpus } from 'node:os';
import { RememberedLines } from '../../core/cache.ts';

export class ScheduleMemory extends RememberedLines {
  /** @param folder the cache folder */
  constructor(folder?: string) {
    super({
      subfolder: 'schedules',
      about: cpus()[0]?.model ?? 'unknown',
      // Grows when kernels or schedules change so that old choices would mislead.
      format: 'verydeep schedules 1',
      line: /^\S+ \d+ [01]$/,
      folder,
    });
  }
}
