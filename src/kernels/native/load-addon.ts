import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, UserError } from '../../core/errors.ts';
import { projectFolder } from '../../core/project.ts';
import type { Addon } from './addon.ts';

export const addonFile: string = join(projectFolder, 'build/native/verydeep_kernels.node');

/**
 * Loads the addon that the set-up has built.
 * @throws UserError where it is missing, or a library under it is.
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

/** Says what to install. @param message the dynamic loader's */
export function explainLoadError(file: string, message: string): string {
  if (/libdnnl/.test(message)) {
    return `the native kernels need oneDNN, which this machine lacks (${message}): install libdnnl3 (Debian 13: libdnnl3.7, Debian 12: libdnnl2), onednn (Fedora) or onednn (Homebrew), then run \`npm run setup\` again`;
  }
  if (/libgomp|libomp/.test(message)) {
    return `the native kernels need OpenMP's library, which this machine lacks (${message}): install libgomp1 (Debian), libgomp (Fedora) or libomp (Homebrew)`;
  }
  return `the native kernels at ${file} do not load (${message}): run \`npm run setup\` to build them for this machine`;
}

/**
 * How long OpenMP's threads spin at the end of a parallel region before they sleep; libgomp reads it once, when
 * it is loaded. Passive, which is not at all, unless the user has said otherwise: decoders, the event loop and
 * other processes want the cores, and a spinning thread takes them from the very thread it waits for. With two
 * busy cores, A at crop 32, width 0.25, batch 64 trained at 1.2 ms an image passive, at 1.3 to 2.6 with
 * GOMP_SPINCOUNT 1000, 1.4 to 3.2 with 10,000, and 1.6 to 8.4 active. What sleeping costs, some 10 µs a region
 * and about 100 regions a step, is 1 % of that small net's step and nothing beside a large one's.
 */
function chooseWaitPolicy(): void {
  if (process.env.OMP_WAIT_POLICY !== undefined || process.env.GOMP_SPINCOUNT !== undefined) return;
  process.env.OMP_WAIT_POLICY = 'passive';
}
