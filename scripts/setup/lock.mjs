import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError, say } from './report.mjs';

/** @typedef {{ pid: number, started: string, host: string }} Holder */

/**
 * Takes a lock file. Waits while another live process holds it, and takes over the lock of a dead one. The
 * returned function releases it.
 * @param {string} file
 * @param {{ patience?: number, poll?: number }} [options] milliseconds
 */
export async function takeLock(file, { patience = 30 * 60_000, poll = 500 } = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = Date.now() + patience;
  let told = false;
  while (!created(file)) {
    const holder = readHolder(file);
    if (isGone(holder, file)) {
      removeStale(file);
      continue;
    }
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
    if (Date.now() > deadline) {
      throw new SetupError(
        `Another set-up (${who}) still holds ${file}: stop it, or delete the file if that process is gone.`,
      );
    }
    if (!told) say(`another set-up is running (${who}): waiting for it`);
    told = true;
    await sleep(poll);
  }
  return () => rmSync(file, { force: true });
}

/** @param {string} file */
function created(file) {
  const me = { pid: process.pid, started: startTime(process.pid), host: hostname() };
  try {
    writeFileSync(file, `${JSON.stringify(me)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new SetupError(
      `The lock file ${file} cannot be written (${codeOf(error)}): make that folder writable.`,
    );
  }
}

/**
 * @param {string} file
 * @returns {Holder | undefined} undefined if it is incomplete or was just released
 */
function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {Holder | undefined} holder
 * @param {string} file
 */
function isGone(holder, file) {
  if (!holder) return age(file) > 5000; // its writer died between creating and writing
  if (holder.host !== hostname()) return false; // a shared folder: that process cannot be seen from here
  return !isAlive(holder.pid) || startTime(holder.pid) !== holder.started;
}

/**
 * Deletes a stale lock while holding a second lock: if two processes see the same stale lock, the slower one
 * must not delete the new lock of the faster one.
 * @param {string} file
 */
function removeStale(file) {
  const guard = `${file}.takeover`;
  if (age(guard) > 10_000) rmSync(guard, { force: true });
  try {
    writeFileSync(guard, '', { flag: 'wx' });
  } catch {
    return; // another process is at it
  }
  if (isGone(readHolder(file), file)) rmSync(file, { force: true });
  rmSync(guard, { force: true });
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * The start time of a process, in the kernel's ticks, which distinguishes it from a later process with the same
 * id. Empty without /proc.
 * @param {number} pid
 */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** @param {string} file */
function age(file) {
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code ?? String(error);
}
