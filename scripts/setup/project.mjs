import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const buildFolder = join(projectFolder, 'build');

/** @param {string} name */
export function logFile(name) {
  return join(buildFolder, 'logs', `${name}.log`);
}
