/** Opens the backend over the C++ addon, and remembers the schedules that it finds. */
import { cpus } from 'node:os';
import { availableCores } from '../../core/available-cores.ts';
import { RememberedLines } from '../../core/cache.ts';
import type { BackendOptions } from '../backend-options.ts';
import type { Addon } from './addon.ts';
import { loadAddon } from './load-addon.ts';
import { checkThreads, NativeBackend, type NativePrecision } from './native-backend.ts';

export interface NativeOptions extends BackendOptions {
  /** For inference; training multiplies in float32 in any case. Default: `fp32`. */
  readonly precision?: NativePrecision;
  /**
   * Where to remember the fastest schedules of the kernels (see `rememberedSchedules`). With `off`, the kernels use
   * their default schedules and try no others. Results do not depend on it. Default: `off` if the environment variable
   * VERYDEEP_SCHEDULES is `off`, else a file in the cache folder.
   */
  readonly schedules?: 'off' | RememberedLines;
}

/**
 * The schedules that were the fastest on this machine, remembered between runs. All schedules give
 * the same bits (docs/explanation/kernels.md). @param folder default: the user's cache folder
 */
export function rememberedSchedules(folder?: string): RememberedLines {
  return new RememberedLines({
    subfolder: 'schedules',
    about: cpus()[0]?.model ?? 'unknown',
    // Increase the number when kernels or schedules change so that old choices would mislead.
    format: 'verydeep schedules 1',
    line: /^\S+ \d+ [01]$/,
    folder,
  });
}

/**
 * @param addon default: the one that `loadAddon` finds
 * @throws UsageError unless the number of threads is allowed.
 * @throws UserError when the addon, a library that it needs, or an instruction that the precision needs is missing.
 */
export function createNativeBackend(options: NativeOptions = {}, addon?: Addon): NativeBackend {
  const { threads = availableCores(), precision = 'fp32' } = options;
  checkThreads(threads);
  return new NativeBackend(addon ?? loadAddon(), { threads, precision, schedules: schedulesFor(options) });
}

function schedulesFor({ schedules }: NativeOptions): RememberedLines | undefined {
  if ((schedules ?? process.env.VERYDEEP_SCHEDULES) === 'off') return undefined;
  return schedules instanceof RememberedLines ? schedules : rememberedSchedules();
}
