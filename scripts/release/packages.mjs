/** Stages and packs the npm packages of a release. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/command.mjs';
import { logFile, projectFolder } from '../setup/project.mjs';
import { commonJsTypes } from './commonjs-types.mjs';
import { addonFiles, targets } from './targets.mjs';

const manifest = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8'));

/**
 * The package.json of `@verydeep/<platform>`.
 * @param {import('./targets.mjs').Target} target
 */
export function platformManifest({ name, condition }) {
  const { version, license, engines } = manifest;
  const description = `The compiled kernels of verydeep for ${name}`;
  // Yarn would load addons from its archive, which the system cannot.
  const facts = { description, license, engines, ...condition, files: ['*.node'], preferUnplugged: true };
  return { name: `@verydeep/${name}`, version, ...facts };
}

/**
 * Packs the addons of a platform as `@verydeep/<platform>`.
 * @param {import('./targets.mjs').Target} target
 * @param {{ addons: string[], stage: string, out: string }} folders the addons' files, and folders to work in and write to
 */
export async function packPlatform(target, { addons, stage, out }) {
  const folder = join(stage, target.name);
  emptyFolder(folder);
  for (const [i, file] of addonFiles.entries()) cpSync(addons[i] ?? '', join(folder, file));
  cpSync(join(projectFolder, 'LICENSE'), join(folder, 'LICENSE'));
  await pack(folder, out, platformManifest(target));
}

/**
 * Packs `verydeep`: JavaScript, page and documents, no source maps, and no scripts that need the project's sources.
 * @param {{ stage: string, out: string }} folders
 */
export async function packMain({ stage, out }) {
  const folder = join(stage, 'verydeep');
  emptyFolder(folder);
  // native/node_api.map is not a source map.
  const filter = (/** @type {string} */ path) => !/\.\w+\.map$/.test(path);
  for (const name of manifest.files) {
    if (!name.startsWith('!'))
      cpSync(join(projectFolder, name), join(folder, name), { recursive: true, filter });
  }
  for (const name of ['README.md', 'LICENSE']) cpSync(join(projectFolder, name), join(folder, name));
  removeMapComments(join(folder, 'dist'));
  const types = join(folder, 'dist/src/index.d.ts');
  writeFileSync(types.replace(/\.ts$/, '.cts'), commonJsTypes(readFileSync(types, 'utf8')));
  await pack(folder, out, mainManifest());
}

/** The project's package.json without what only a clone can use. */
function mainManifest() {
  const { scripts, devDependencies, workspaces, overrides, private: _, exports, ...published } = manifest;
  const addons = Object.fromEntries(targets.map(({ name }) => [`@verydeep/${name}`, manifest.version]));
  return {
    ...published,
    exports: {
      ...exports,
      '.': {
        import: exports['.'],
        require: { types: './dist/src/index.d.cts', default: exports['.'].default },
      },
    },
    optionalDependencies: { ...manifest.optionalDependencies, ...addons },
  };
}

/** The source maps are not packed, and debuggers would look for them. @param {string} folder */
function removeMapComments(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.[cm]?js$/.test(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/^\/\/# sourceMappingURL=.*\n?/gm, ''));
  }
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
