/** Stages and packs the npm packages of a release. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/command.mjs';
import { logFile, projectFolder } from '../setup/project.mjs';
import { addonFiles, targets } from './targets.mjs';

const manifest = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8'));

/**
 * Packs the addons of a platform as `@verydeep/<platform>`.
 * @param {import('./targets.mjs').Target} target
 * @param {{ addons: string, stage: string, out: string }} folders where the addons are, and to work in and write to
 */
export async function packPlatform({ name, condition }, { addons, stage, out }) {
  const folder = join(stage, name);
  const { version, license, engines } = manifest;
  emptyFolder(folder);
  for (const file of addonFiles) cpSync(join(addons, file), join(folder, file));
  cpSync(join(projectFolder, 'LICENSE'), join(folder, 'LICENSE'));
  const description = `The compiled kernels of verydeep for ${name}`;
  // Yarn would load addons from its archive, which the system cannot.
  const facts = { description, license, engines, ...condition, files: ['*.node'], preferUnplugged: true };
  await pack(folder, out, { name: `@verydeep/${name}`, version, ...facts });
}

/**
 * Packs `verydeep`: JavaScript, page and documents, no source maps, and no scripts that need the project's sources.
 * @param {{ stage: string, out: string }} folders
 */
export async function packMain({ stage, out }) {
  const folder = join(stage, 'verydeep');
  emptyFolder(folder);
  for (const name of manifest.files) {
    if (!name.startsWith('!')) cpSync(join(projectFolder, name), join(folder, name), { recursive: true });
  }
  for (const name of ['README.md', 'LICENSE']) cpSync(join(projectFolder, name), join(folder, name));
  const { scripts, devDependencies, workspaces, overrides, private: _, ...published } = manifest;
  const addons = Object.fromEntries(targets.map(({ name }) => [`@verydeep/${name}`, manifest.version]));
  const optionalDependencies = { ...manifest.optionalDependencies, ...addons };
  await pack(folder, out, { ...published, optionalDependencies });
}

/** @param {string} folder */
function emptyFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

/** @param {string} folder @param {string} out @param {object} packageJson */
async function pack(folder, out, packageJson) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(packageJson, null, 2)}\n`);
  const command = ['npm', 'pack', folder, '--ignore-scripts', '--pack-destination', out];
  await run(command, { log: logFile('pack'), failure: `npm cannot pack ${folder}` });
}
