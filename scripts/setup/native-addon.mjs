import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { probe, run } from './command.mjs';
import { buildFolder, logFile, projectFolder } from './project.mjs';
import { SetupError } from './report.mjs';

const sources = join(projectFolder, 'native/kernels');
const folder = join(buildFolder, 'native');
const addon = join(folder, 'verydeep_kernels.node');
const fingerprintFile = join(folder, 'made-with.json');

/** Builds the addon where its sources changed, and makes sure that this Node can load it. */
export async function buildNativeAddon() {
  const before = modified(addon);
  rmSync(logFile('native'), { force: true });
  await configureAndBuild();
  if (loadProblem() !== undefined) {
    // For instance against a library that has been upgraded since: cmake sees no change, so begin anew.
    rmSync(folder, { recursive: true, force: true });
    await configureAndBuild();
    const problem = loadProblem();
    if (problem !== undefined) throw new SetupError('The native addon was built but does not load.', problem);
  }
  return modified(addon) === before ? 'up to date' : undefined;
}

async function configureAndBuild() {
  const fingerprint = currentFingerprint();
  if (readText(fingerprintFile) !== fingerprint) {
    // A folder from another place, compiler or architecture: cmake would refuse it, or mix the two.
    rmSync(folder, { recursive: true, force: true });
  }
  const log = logFile('native');
  const configure = ['cmake', '-S', sources, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', ...generator()];
  await run(configure, { log, failure: 'CMake could not prepare the build of the native addon' });
  writeFileSync(fingerprintFile, fingerprint);
  const build = ['cmake', '--build', folder, '--parallel', String(availableParallelism())];
  await run(build, { log, failure: 'The native addon does not compile' });
}

/** What a build folder depends on beyond its sources. */
function currentFingerprint() {
  const cxx = process.env.CXX || 'c++';
  const facts = {
    sources: realpathSync(sources),
    folder: realpathSync(parentOfBuild()),
    system: `${process.platform} ${process.arch}`,
    compiler: `${cxx}: ${firstLine(probe([cxx, '--version']).stdout)}`,
    cmake: firstLine(probe(['cmake', '--version']).stdout),
    nodeApi: process.versions.napi,
  };
  return `${JSON.stringify(facts, null, 2)}\n`;
}

function parentOfBuild() {
  mkdirSync(buildFolder, { recursive: true });
  return buildFolder;
}

/** CMake's default is make; a machine that has only ninja is as good. */
function generator() {
  if (process.env.CMAKE_GENERATOR || probe(['make', '--version']).status === 0) return [];
  return ['-G', 'Ninja'];
}

/** Loads the addon in a process of its own, so that a crash there is a message here. */
function loadProblem() {
  if (!existsSync(addon)) return `${addon} was not made.`;
  const script = `require(${JSON.stringify(addon)})`;
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
