import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, UserError } from '../../core/errors.ts';
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
  try {
    return createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    throw new UserError(
      `the native kernels at ${file} do not load (${messageOf(error)}): run \`npm run setup\` to build them for this machine`,
      { cause: error },
    );
  }
}
