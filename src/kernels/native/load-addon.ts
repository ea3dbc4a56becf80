import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';
import { projectFolder } from '../../core/project.ts';
import type { Addon } from './addon.ts';

export const addonFile: string = join(projectFolder, 'build/native/verydeep_kernels.node');

/**
 * Loads the addon that `npm run setup` built.
 * @throws UserError when the addon, or a library under it, is missing.
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

/** Names the packages to install. @param message the dynamic loader's */
export function explainLoadError(file: string, message: string): string {
  if (/libdnnl/.test(message)) {
    return `the native kernels need oneDNN, which this machine lacks (${message}): install libdnnl3 (Debian 13: libdnnl3.7, Debian 12: libdnnl2), onednn (Fedora) or onednn (Homebrew), then run \`npm run setup\` again`;
  }
  if (/libgomp|libomp/.test(message)) {
    return `the native kernels need the OpenMP library, which this machine lacks (${message}): install libgomp1 (Debian), libgomp (Fedora) or libomp (Homebrew)`;
  }
  return `the native kernels at ${file} do not load (${message}): run \`npm run setup\` to build them for this machine`;
}

/** 77 µs on Zen 5. */
const SPINS = '3000';

/**
 * Sets how long OpenMP's threads spin at the end of a parallel region before they sleep. libgomp reads it once, when it
 * is loaded. The default here is below 0.1 ms, in iterations of libgomp's loop; the user's own setting wins. Other
 * OpenMP libraries know only whether to spin, and then do not. On two Zen 5 cores, A at crop 32, width 0.25, batch 64
 * trained at 0.22 ms per image without spinning and at 0.15 with it; beside two busy loops at 0.53 and 0.35, medians.
 * Before threads were pinned to cores (native/kernels/cores.hpp) spinning had gained nothing there, or been slower.
 */
function chooseWaitPolicy(): void {
  if (process.env.OMP_WAIT_POLICY !== undefined || process.env.GOMP_SPINCOUNT !== undefined) return;
  process.env.OMP_WAIT_POLICY = 'passive';
  process.env.GOMP_SPINCOUNT = SPINS;
}

/** Waits for a call into the addon, and turns its lack of memory into a UserError. */
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
