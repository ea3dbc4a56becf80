import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { ADDON_REMEDY, type FoundAddon, findAddon, formatAttempts } from '../../core/platform-addon.ts';
import { projectFolder } from '../../core/project.ts';
import type { Addon } from './addon.ts';

const builtFile = join(projectFolder, 'build/native/verydeep_kernels.node');

/** Looks for the addon in the project's own build, then in the platform's package. */
export function findKernels(built: string = builtFile): FoundAddon<Addon> {
  return findAddon(built, 'verydeep_kernels.node');
}

/**
 * Loads the addon.
 * @throws UserError that lists what was tried, when none loads.
 */
export function loadAddon(built: string = builtFile): Addon {
  const { addon, tried } = findKernels(built);
  if (addon) return addon;
  throw new UserError(`no native kernels load (tried ${formatAttempts(tried)}): ${ADDON_REMEDY}`);
}
