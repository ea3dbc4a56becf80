import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from './command.mjs';
import { logFile, projectFolder } from './project.mjs';

export const compiler = join(projectFolder, 'node_modules/typescript/bin/tsc');
const sourceFolders = ['src', 'test', 'bench'];
const sourceEndings = /\.(c?)ts$/;
const outputEndings = /\.(?:(c?)js|d\.(c?)ts)(?:\.map)?$/;

/** Type-checks and compiles into dist, and removes the outputs of deleted sources. */
export async function buildTypeScript() {
  removeStaleOutputs(projectFolder);
  rmSync(logFile('tsc'), { force: true });
  await run([process.execPath, compiler, '-p', 'tsconfig.json'], {
    log: logFile('tsc'),
    failure: 'The TypeScript sources do not compile',
  });
  return undefined;
}

/**
 * Deletes the outputs of deleted sources, so that a deleted test does not run again. If an output of an existing
 * source is missing, deletes the compiler's build info, which would keep the compiler from writing it again.
 * @param {string} folder the project's
 */
export function removeStaleOutputs(folder) {
  const dist = join(folder, 'dist');
  for (const name of sourceFolders) {
    const sources = new Set(filesBelow(join(folder, name)).filter((file) => sourceEndings.test(file)));
    for (const output of filesBelow(join(dist, name))) {
      if (!sources.has(output.replace(outputEndings, '.$1$2ts'))) rmSync(join(dist, name, output));
    }
    const incomplete = [...sources].some(
      (source) => !existsSync(join(dist, name, source.replace(sourceEndings, '.$1js'))),
    );
    if (incomplete) rmSync(join(dist, 'tsconfig.tsbuildinfo'), { force: true });
  }
}

/**
 * A workspace's packages are no sources of ours.
 * @param {string} folder
 * @returns {string[]} paths relative to it
 */
function filesBelow(folder) {
  if (!existsSync(folder) || basename(folder) === 'node_modules') return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesBelow(join(folder, entry.name)).map((file) => join(entry.name, file))
      : [entry.name],
  );
}
