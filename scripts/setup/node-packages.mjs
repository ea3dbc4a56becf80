import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { logFile, projectFolder } from './project.mjs';
import { SetupError } from './report.mjs';

/**
 * The fields of a package in a lock file that are used here.
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} Entry
 * @typedef {{ packages?: Record<string, Entry> }} LockFile
 * @typedef {{ os: string, cpu: string, libc: string }} Machine
 */

/** Makes node_modules match package-lock.json. */
export async function installNodePackages(folder = projectFolder) {
  if (mismatch(folder) === undefined) return 'present';
  // No package of ours has an install script; nothing that a registry serves is run at set-up.
  const options = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  rmSync(logFile('npm'), { force: true });
  await run([...npm(), 'ci', ...options], {
    log: logFile('npm'),
    failure: "The npm packages could not be installed; npm's reason follows",
  });
  const rest = mismatch(folder);
  if (rest !== undefined) {
    throw new SetupError(
      `npm ci succeeded, but ${rest}: delete node_modules and run the same command again.`,
    );
  }
  return undefined;
}

/**
 * Compares the lock file with npm's record in node_modules and with the folders that exist. A plain
 * `npm install` is accepted too.
 * @param {string} folder
 * @param {Machine} [machine]
 * @returns {string | undefined} the first difference
 */
export function mismatch(folder, machine = thisMachine()) {
  const wanted = readLock(join(folder, 'package-lock.json'));
  const installed = readLock(join(folder, 'node_modules/.package-lock.json'));
  if (!wanted)
    throw new SetupError('package-lock.json is missing or broken: restore it from the repository.');
  if (!installed) return 'node_modules is not there';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path];
    if (!found || !existsSync(join(folder, path))) {
      if (isFor(machine, entry)) return `${path} is missing`;
    } else if (found.version !== entry.version || (entry.integrity && found.integrity !== entry.integrity)) {
      return `${path} is ${found.version}, not ${entry.version}`;
    }
  }
  const extra = Object.keys(installed).find((path) => !(path in wanted));
  return extra && `${extra} is not in package-lock.json`;
}

/**
 * Whether npm must have installed a package here. For optional packages that is certain only if they name this
 * system: the others may belong to a package for another system.
 * @param {Machine} machine
 * @param {Entry} entry
 */
function isFor({ os, cpu, libc }, entry) {
  if (!entry.optional) return true;
  return (
    Boolean(entry.cpu) &&
    fits(os, entry.os) &&
    fits(cpu, entry.cpu) &&
    (os !== 'linux' || fits(libc, entry.libc))
  );
}

/**
 * @param {string} actual
 * @param {string[]} [listed]
 */
function fits(actual, listed) {
  if (!listed || listed.length === 0) return true;
  if (listed.includes(`!${actual}`)) return false;
  return listed.includes(actual) || listed.every((name) => name.startsWith('!'));
}

/** @returns {Machine} */
function thisMachine() {
  const musl = process.platform === 'linux' && existsSync('/etc/alpine-release');
  return { os: process.platform, cpu: process.arch, libc: musl ? 'musl' : 'glibc' };
}

/**
 * @param {string} file
 * @returns {Record<string, Entry> | undefined}
 */
function readLock(file) {
  try {
    return /** @type {LockFile} */ (JSON.parse(readFileSync(file, 'utf8'))).packages;
  } catch {
    return undefined;
  }
}

/** The npm that runs this script, under the same Node; otherwise the one on the path. */
function npm() {
  const cli = process.env.npm_execpath;
  return cli && /npm-cli\.js$/.test(cli) ? [process.execPath, cli] : ['npm'];
}
