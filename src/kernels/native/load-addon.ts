import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';
import { projectFolder } from '../../core/project.ts';
import type { Addon } from './addon.ts';

export const addonFile: string = join(projectFolder, 'build/native/verydeep_kernels.node');

/**
 * Loads the addon that `npm run setup` built.
 * @throws UserError when the addon or a library that it needs is missing.
 */
export function loadAddon(file: string = addonFile): Addon {
  if (!existsSync(file)) {
    throw new UserError(`the native kernels are not built (no ${file}): run \`npm run setup\` first`);
  }
  chooseWaitPolicy();
  try {
    return createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    throw new UserError(explainLoadError(file, messageOf(error)), { cause: error });
  }
}

/** Explains which packages to install. @param message from the dynamic loader */
export function explainLoadError(file: string, message: string): string {
  if (/libdnnl/.test(message)) {
    return `the native kernels need oneDNN, which this machine lacks (${message}): install libdnnl3 (Debian 13: libdnnl3.7, Debian 12: libdnnl2), onednn (Fedora) or onednn (Homebrew), then run \`npm run setup\` again`;
  }
  if (/libgomp|libomp/.test(message)) {
    return `the native kernels need the OpenMP library, which this machine lacks (${message}): install libgomp1 (Debian), libgomp (Fedora) or libomp (Homebrew)`;
  }
  return `the native kernels at ${file} do not load (${message}): run \`npm run setup\` to build them for this machine`;
}

/** Iterations of libgomp's spin loop: 77 µs on Zen 5. */
const SPINS = '3000';

/**
 * Sets how long OpenMP threads spin at the end of a parallel region before they sleep. libgomp reads this once, when it
 * is loaded. The user's own setting takes precedence. Other OpenMP libraries only know whether to spin, and do not spin
 * with this setting. On two Zen 5 cores, training A at crop 32, width 0.25 and batch 64 took a median of 0.22 ms per
 * image without spinning and 0.15 ms with it; beside two busy loops, 0.53 and 0.35 ms. Before threads were pinned to
 * cores (native/kernels/cores.hpp), spinning made no difference or was slower.
 */
function chooseWaitPolicy(): void {
  if (process.env.OMP_WAIT_POLICY !== undefined || process.env.GOMP_SPINCOUNT !== undefined) return;
  process.env.OMP_WAIT_POLICY = 'passive';
  process.env.GOMP_SPINCOUNT = SPINS;
}

/** Waits for a call into the addon. If memory runs out, it throws a UserError. */
export async function settled<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw explained(operation, error);
  }
}

export function explained(operation: string, error: unknown): unknown {
  if (systemErrorCode(error) !== 'ERR_OUT_OF_MEMORY') return error;
  return new UserError(`${operation}: ${messageOf(error)}`, { cause: error });
}
