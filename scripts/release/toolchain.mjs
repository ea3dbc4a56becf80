/** The compiler and the library that a release is built from, both pinned by their hashes. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe, run } from '../setup/command.mjs';
import { buildFolder, logFile } from '../setup/project.mjs';
import { SetupError } from '../setup/report.mjs';

export const releaseFolder = join(buildFolder, 'release');
const log = logFile('release');

const zig = {
  version: '0.17.1',
  // PyPI's wheel for Linux on x64.
  sha256: 'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54',
};

/** Debian's source package has the project's release unchanged as its .orig file. */
export const libjpeg = {
  version: '2.1.5',
  sha256: '254f3642b04e309fee775123133c6464181addc150499561020312ec61c1bf7c',
};

/** Installs zig from PyPI into the build folder. @returns the program */
export async function installZig() {
  const python = join(releaseFolder, 'python');
  const installed = findZig(python);
  if (installed) return installed;
  await run(['python3', '-m', 'venv', python], { log, failure: 'Python cannot make a virtual environment' });
  const requirements = join(releaseFolder, 'requirements.txt');
  writeFileSync(requirements, `ziglang==${zig.version} --hash=sha256:${zig.sha256}\n`);
  const pip = [join(python, 'bin/pip'), 'install', '--require-hashes', '--requirement', requirements];
  await run(pip, { log, failure: `pip cannot install ziglang ${zig.version}` });
  const program = findZig(python);
  if (!program) throw new SetupError(`PyPI's ziglang ${zig.version} contains no program zig.`);
  return program;
}

/** @param {string} python */
function findZig(python) {
  const libraries = join(python, 'lib');
  if (!existsSync(libraries)) return undefined;
  return readdirSync(libraries)
    .map((name) => join(libraries, name, 'site-packages/ziglang/zig'))
    .find(existsSync);
}

/**
 * Unpacks libjpeg-turbo's source into the build folder.
 * @param {string | undefined} given the archive; otherwise apt-get fetches Debian's source package
 * @returns the folder
 */
export async function unpackLibjpeg(given) {
  const folder = join(releaseFolder, `libjpeg-turbo-${libjpeg.version}`);
  if (existsSync(join(folder, 'CMakeLists.txt'))) return folder;
  mkdirSync(folder, { recursive: true });
  const archive = given ?? (await fetchDebianSource());
  const found = createHash('sha256').update(readFileSync(archive)).digest('hex');
  if (found !== libjpeg.sha256) {
    throw new SetupError(`${archive} has SHA-256 ${found}; the release is built from ${libjpeg.sha256}.`);
  }
  await run(['tar', '-xzf', archive, '-C', folder, '--strip-components=1'], {
    log,
    failure: `${archive} cannot be unpacked`,
  });
  return folder;
}

/** Reads the machine's own package sources as source packages, without changing its configuration. */
async function fetchDebianSource() {
  const name = `libjpeg-turbo_${libjpeg.version}.orig.tar.gz`;
  const apt = join(releaseFolder, 'apt');
  if (existsSync(join(apt, name))) return join(apt, name);
  const system = '/etc/apt/sources.list.d/debian.sources';
  if (!existsSync(system)) {
    throw new SetupError(`This machine has no ${system}: download ${name} and pass it with --libjpeg.`);
  }
  mkdirSync(join(apt, 'sources'), { recursive: true });
  mkdirSync(join(apt, 'lists/partial'), { recursive: true });
  const sources = readFileSync(system, 'utf8').replace(/^Types:.*$/gm, 'Types: deb-src');
  writeFileSync(join(apt, 'sources/debian.sources'), sources);
  const here = [
    '-o',
    `Dir::Etc::sourceparts=${join(apt, 'sources')}`,
    '-o',
    `Dir::State::lists=${join(apt, 'lists')}`,
  ];
  const failure = `apt-get cannot fetch ${name}; download it and pass it with --libjpeg`;
  await run(['apt-get', ...here, 'update'], { log, failure });
  const fetch = ['apt-get', ...here, 'source', '--download-only', 'libjpeg-turbo'];
  await run(['env', '-C', apt, ...fetch], { log, failure });
  if (!existsSync(join(apt, name))) {
    throw new SetupError(
      `Debian's package sources have another version than ${name}; pass it with --libjpeg.`,
    );
  }
  return join(apt, name);
}

/** libjpeg-turbo's vector code for x64 is written for this assembler. */
export function checkAssembler() {
  if (probe(['nasm', '-v']).status === 0) return;
  throw new SetupError('A release needs the assembler nasm: sudo apt-get install nasm.');
}

/**
 * Writes the compilers of a target as programs, and CMake's description of them.
 * @param {import('./targets.mjs').Target} target
 * @param {string} zigProgram
 * @param {string} folder
 * @returns the toolchain file
 */
export function writeToolchain({ triple, cpu, system, format }, zigProgram, folder) {
  mkdirSync(folder, { recursive: true });
  const cache = join(releaseFolder, 'zig-cache');
  const flags = `-target ${triple} -mcpu=${cpu} -g0 -ffunction-sections -fdata-sections`;
  const programs = { cc: flags, 'c++': flags, ar: '', ranlib: '', rc: '' };
  for (const [name, options] of Object.entries(programs)) {
    const program = join(folder, name);
    const environment = `ZIG_GLOBAL_CACHE_DIR='${cache}' ZIG_LOCAL_CACHE_DIR='${cache}'`;
    writeFileSync(program, `#!/bin/sh\n${environment} exec '${zigProgram}' ${name} ${options} "$@"\n`);
    chmodSync(program, 0o755);
  }
  const file = join(folder, 'toolchain.cmake');
  const processor = triple.startsWith('x86_64') ? 'x86_64' : 'aarch64';
  // zig links bundles, CMake's modules on macOS, to files of another format.
  const rules = join(folder, 'rules.cmake');
  writeFileSync(rules, format === 'mach-o' ? 'set(CMAKE_SHARED_MODULE_CREATE_CXX_FLAGS "-shared")\n' : '');
  const link = format === 'mach-o' ? '-s' : '-s -Wl,--gc-sections';
  writeFileSync(
    file,
    `set(CMAKE_SYSTEM_NAME ${system})
set(CMAKE_SYSTEM_PROCESSOR ${processor})
set(CMAKE_C_COMPILER ${folder}/cc)
set(CMAKE_CXX_COMPILER ${folder}/c++)
set(CMAKE_AR ${folder}/ar)
set(CMAKE_RANLIB ${folder}/ranlib)
set(CMAKE_RC_COMPILER ${folder}/rc)
set(CMAKE_INSTALL_NAME_TOOL true)
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_USER_MAKE_RULES_OVERRIDE ${rules})
set(CMAKE_MODULE_LINKER_FLAGS_INIT "${link}")
set(CMAKE_FIND_ROOT_PATH ${folder})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
`,
  );
  return file;
}
