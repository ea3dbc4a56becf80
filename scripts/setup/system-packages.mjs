import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { probe, run } from './command.mjs';
import { fashionMnistFiles, hasFashionMnist, Machine } from './machine.mjs';
import { logFile } from './project.mjs';
import { SetupError } from './report.mjs';

/**
 * A requirement of the build, and its package in each package manager.
 * @typedef {{ what: string, present: (machine: Machine) => boolean, apt: string, dnf?: string, brew?: string }} Need
 */

/** @type {readonly Need[]} */
const needs = [
  {
    what: 'a C++ compiler',
    present: (m) => m.compiler !== undefined,
    apt: 'g++',
    dnf: 'gcc-c++',
    brew: 'gcc',
  },
  { what: 'CMake', present: (m) => m.hasCMake(), apt: 'cmake', dnf: 'cmake', brew: 'cmake' },
  { what: 'make or ninja', present: (m) => m.hasMakeOrNinja(), apt: 'make', dnf: 'make', brew: 'ninja' },
  {
    what: 'CA certificates',
    present: (m) => m.hasCertificates(),
    apt: 'ca-certificates',
    dnf: 'ca-certificates',
  },
];

const mpiPackages = ['libopenmpi-dev', 'openmpi-bin'];
const datasetPackage = 'dataset-fashion-mnist';
const lockPatience = 600; // seconds for another apt or dpkg to end

/** Installs the missing requirements, or says what to install. */
export async function installSystemPackages() {
  const missing = missingNeeds();
  if (missing.length === 0) return 'present';
  const apt = aptGet();
  if (!apt) throw new SetupError(whatToInstall(missing));
  const names = missing.map((need) => need.apt);
  await install(apt, names);
  const rest = missingNeeds().map((need) => need.what);
  if (rest.length > 0) {
    throw new SetupError(
      `${names.join(', ')} are installed, but this machine still lacks ${rest.join(', ')}.`,
    );
  }
  return `installed ${names.join(', ')}`;
}

/** Installs the browser for the tests of the page. Without one those tests are skipped. */
export async function installBrowser() {
  if (existsSync('/usr/bin/chromium')) return 'present';
  const apt = aptGet();
  if (!apt || !(await offered(apt, 'chromium')))
    return 'not installed: the tests of the page will be skipped';
  // Chromium brings a software GPU, which the tests of the GPU's kernels reach through Vulkan's loader.
  await install(apt, ['chromium', 'libvulkan1']);
  return 'installed chromium and libvulkan1';
}

/** Installs libjpeg-turbo, which reads JPEGs faster. Everything works without it. */
export async function installJpeg() {
  if (new Machine().hasJpeg()) return 'present';
  const apt = aptGet();
  if (!apt || !(await offered(apt, 'libjpeg-dev'))) return 'not installed';
  await install(apt, ['libjpeg-dev']);
  return 'installed libjpeg-dev';
}

/** Installs MPI, for training on several machines and its tests. Everything else works without it. */
export async function installMpi() {
  if (new Machine().mpi() !== undefined) return 'present';
  const apt = aptGet();
  if (!apt) return `not installed: install ${mpiPackages.join(' and ')} to train on several machines`;
  // With iproute2's ip and tc the tests make several hosts out of one.
  const names = [...mpiPackages, 'iproute2'];
  await install(apt, names);
  return `installed ${names.join(', ')}`;
}

/** Installs the demo's images, or says where to get them: the demo also takes a folder. */
export async function installDataset() {
  if (hasFashionMnist()) return 'present';
  const apt = aptGet();
  if (apt && (await offered(apt, datasetPackage))) {
    await install(apt, [datasetPackage]);
    return `installed ${datasetPackage}`;
  }
  return `not installed.\n${whereTheDatasetIs()}`;
}

function missingNeeds() {
  const machine = new Machine();
  return needs.filter((need) => !need.present(machine));
}

/** @param {readonly Need[]} missing */
function whatToInstall(missing) {
  /** @param {'apt' | 'dnf' | 'brew'} manager */
  const names = (manager) => missing.flatMap((need) => need[manager] ?? []).join(' ');
  const obstacle = hasAptGet() ? 'you are not root and have no passwordless sudo' : 'there is no apt-get';
  return [
    `This machine lacks ${missing.map((need) => need.what).join(', ')}, and the set-up cannot install packages` +
      ` here (${obstacle}): install them as below, then run the same command again.`,
    `  Debian, Ubuntu:   sudo apt-get update && sudo apt-get install ${names('apt')}`,
    names('dnf') && `  Fedora:           sudo dnf install ${names('dnf')}`,
    names('brew') && `  macOS, Homebrew:  brew install ${names('brew')}`,
  ]
    .filter(Boolean)
    .join('\n');
}

function whereTheDatasetIs() {
  return [
    '  The demo trains on the part of Fashion-MNIST that comes with verydeep. All of its images:',
    `  Debian, Ubuntu:  sudo apt-get install ${datasetPackage}`,
    `  elsewhere:       download ${fashionMnistFiles.join(', ')}`,
    '                   from https://github.com/zalandoresearch/fashion-mnist into a folder, then',
    '                   npm run demo -- --data FOLDER',
  ].join('\n');
}

function hasAptGet() {
  return probe(['apt-get', '--version']).status === 0;
}

/** The command line of apt-get with the right to install, or undefined without that right. */
function aptGet() {
  if (!hasAptGet()) return undefined;
  const command = [
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-q',
    '-y',
    '-o',
    `DPkg::Lock::Timeout=${lockPatience}`,
  ];
  if (process.getuid?.() === 0) return command;
  return probe(['sudo', '-n', 'true']).status === 0 ? ['sudo', '-n', ...command] : undefined;
}

/**
 * @param {string[]} apt
 * @param {string[]} names
 */
async function install(apt, names) {
  const log = logFile('apt');
  const failure = `The system packages ${names.join(', ')} could not be installed`;
  const attempt = () => run([...apt, 'install', '--no-install-recommends', ...names], { log, failure });
  if (!names.every(isKnown)) {
    await update(apt);
    return attempt();
  }
  try {
    await attempt();
  } catch {
    await update(apt); // the lists may be older than what the mirror still serves
    await attempt();
  }
}

/**
 * Whether the package sources offer a package; fetches fresh lists if the present ones do not have it.
 * @param {string[]} apt
 * @param {string} name
 */
async function offered(apt, name) {
  if (isKnown(name)) return true;
  await update(apt).catch(() => undefined);
  return isKnown(name);
}

/** @param {string} name */
function isKnown(name) {
  return /Candidate: \d/.test(probe(['env', 'LC_ALL=C', 'apt-cache', 'policy', name]).stdout);
}

/**
 * Fetches the package lists. apt's timeout covers only dpkg's lock, so this waits for the lock on the lists.
 * @param {string[]} apt
 */
async function update(apt) {
  const deadline = Date.now() + lockPatience * 1000;
  for (;;) {
    try {
      return await run([...apt, 'update'], {
        log: logFile('apt'),
        failure: 'The package lists could not be fetched',
      });
    } catch (error) {
      const locked = error instanceof SetupError && /Could not get lock/.test(error.detail);
      if (!locked || Date.now() > deadline) throw error;
      await sleep(3000);
    }
  }
}
