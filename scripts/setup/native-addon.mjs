import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { probe, run } from './command.mjs';
import { Machine } from './machine.mjs';
import { buildFolder, logFile, projectFolder } from './project.mjs';
import { SetupError } from './report.mjs';

/**
 * @typedef {{ name: string, sources: string, folder: string, file: string, library?: () => string | undefined }} Addon
 *   its name in messages, its source and build folders, the built file, and the library it depends on
 */

/** @type {Addon} */
const kernels = {
  name: 'native addon',
  sources: join(projectFolder, 'native/kernels'),
  folder: join(buildFolder, 'native'),
  file: join(buildFolder, 'native/verydeep_kernels.node'),
};

/** @type {Addon} */
const images = {
  name: 'image addon',
  sources: join(projectFolder, 'native/images'),
  folder: join(buildFolder, 'images'),
  file: join(buildFolder, 'images/verydeep_images.node'),
  library: () => (new Machine().hasJpeg() ? 'libjpeg' : undefined),
};

/** @type {Addon} */
const mpi = {
  name: 'addon over MPI',
  sources: join(projectFolder, 'native/mpi'),
  folder: join(buildFolder, 'mpi'),
  file: join(buildFolder, 'mpi/verydeep_mpi.node'),
  library: () => new Machine().mpi(),
};

export async function buildNativeAddon() {
  return build(kernels);
}

/** Without libjpeg-turbo, sharp decodes all JPEGs: to the same pixels, in several times as long. */
export async function buildImageAddon() {
  const outcome = await build(images);
  if (new Machine().hasJpeg()) return outcome;
  return `${outcome ?? 'done'}, without libjpeg-turbo: reading JPEGs will take longer (Debian: install libjpeg-dev, then run this again)`;
}

/** The same for the addon over MPI, which a single machine does without. */
export async function buildMpiAddon() {
  if (new Machine().mpi() === undefined) {
    rmSync(mpi.folder, { recursive: true, force: true });
    return 'skipped (no MPI found; only training on several machines needs it)';
  }
  return build(mpi);
}

/**
 * Builds an addon if its sources changed, and checks that this Node can load it.
 * @param {Addon} addon
 */
async function build(addon) {
  const before = modified(addon.file);
  rmSync(logFile(basename(addon.folder)), { force: true });
  await configureAndBuild(addon);
  if (loadProblem(addon) !== undefined) {
    // For instance against a library that has been upgraded since: cmake sees no change, so begin anew.
    rmSync(addon.folder, { recursive: true, force: true });
    await configureAndBuild(addon);
    const problem = loadProblem(addon);
    if (problem !== undefined)
      throw new SetupError(`The ${addon.name} was built but fails to load.`, problem);
  }
  return modified(addon.file) === before ? 'up to date' : undefined;
}

/** @param {Addon} addon */
async function configureAndBuild({ name, sources, folder, library }) {
  const fingerprint = currentFingerprint(sources, library?.());
  const fingerprintFile = join(folder, 'made-with.json');
  if (readText(fingerprintFile) !== fingerprint) {
    // A folder from another place, compiler or architecture: cmake would refuse it, or mix the two.
    rmSync(folder, { recursive: true, force: true });
  }
  const log = logFile(basename(folder));
  const configure = ['cmake', '-S', sources, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', ...generator()];
  await run(configure, { log, failure: `CMake could not configure the ${name}` });
  writeFileSync(fingerprintFile, fingerprint);
  const build = ['cmake', '--build', folder, '--parallel', String(availableParallelism())];
  await run(build, { log, failure: `The ${name} does not compile` });
}

/**
 * What a build folder depends on beyond its sources.
 * @param {string} sources
 * @param {string | undefined} library
 */
function currentFingerprint(sources, library) {
  const cxx = process.env.CXX || 'c++';
  const facts = {
    sources: realpathSync(sources),
    folder: realpathSync(parentOfBuild()),
    system: `${process.platform} ${process.arch}`,
    compiler: `${cxx}: ${firstLine(probe([cxx, '--version']).stdout)}`,
    cmake: firstLine(probe(['cmake', '--version']).stdout),
    nodeApi: process.versions.napi,
    library,
  };
  return `${JSON.stringify(facts, null, 2)}\n`;
}

function parentOfBuild() {
  mkdirSync(buildFolder, { recursive: true });
  return buildFolder;
}

/** CMake's default generator is make; a machine may have only ninja. */
function generator() {
  if (process.env.CMAKE_GENERATOR || probe(['make', '--version']).status === 0) return [];
  return ['-G', 'Ninja'];
}

/**
 * Loads the addon in a child process, so that a crash becomes a message.
 * @param {Addon} addon
 */
function loadProblem({ file }) {
  if (!existsSync(file)) return `${file} was not built.`;
  const script = `require(${JSON.stringify(file)})`;
  const { status, stderr } = probe([process.execPath, '-e', script]);
  return status === 0 ? undefined : stderr.trim() || `loading it ended with status ${status}`;
}

/** @param {string} file */
function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

/** @param {string} file */
function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** @param {string} text */
function firstLine(text) {
  return text.split('\n', 1)[0] ?? '';
}
