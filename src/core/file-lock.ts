/**
 * Locks between processes, as files. Creating the lock file is atomic. A lock whose process is gone is taken over.
 * Processes on this machine are looked up; their start time distinguishes them from later ones with the same number. A
 * process elsewhere (another machine or container) counts as gone when it has not renewed its lock for two minutes.
 */
import { readFileSync } from 'node:fs';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from './errors.ts';
import { ifExists, writingError } from './files.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Clock ticks since boot at which it started; empty if the system does not provide it. */
  readonly started?: string;
}

const RENEWAL_MS = 20_000;
const EXPIRY_MS = 120_000;
/** A lock file without content is being written, unless its process died while writing it. */
const UNWRITTEN_MS = 5_000;
const TAKEOVER_MS = 10_000;

/** Releases a lock. */
export type Unlock = () => Promise<void>;

/** The living process that holds a lock, such as `process 4711`; undefined if there is none. */
export async function holderOf(file: string): Promise<string | undefined> {
  const state = await lockState(file);
  return typeof state === 'object' ? state.holder : undefined;
}

/**
 * Takes a lock for this process.
 * @returns a function that releases it, or the living process that holds it
 * @throws UserError when the folder is not writable.
 */
export async function tryLock(file: string): Promise<Unlock | { readonly holder: string }> {
  const holder: Holder = { pid: process.pid, host: hostname(), started: startTime(process.pid) };
  const content = JSON.stringify(holder);
  while (!(await create(file, content))) {
    const state = await lockState(file);
    if (typeof state === 'object') return state;
    if (state === 'stale') await removeStale(file);
  }
  // A process that was suspended for long may have lost its lock to another machine.
  const isOurs = async () => (await readFile(file, 'utf8').catch(() => '')) === content;
  const renew = async () => {
    if (await isOurs()) await utimes(file, new Date(), new Date());
  };
  const renewal = setInterval(() => renew().catch(() => {}), RENEWAL_MS).unref();
  return async () => {
    clearInterval(renewal);
    if (await isOurs()) await rm(file, { force: true });
  };
}

/** @returns false if the file exists. */
async function create(file: string, content: string): Promise<boolean> {
  try {
    await using created = await open(file, 'wx');
    try {
      await created.writeFile(content);
    } catch (error) {
      // On a full disk; an empty lock would look like one that is being written.
      await rm(file, { force: true });
      throw error;
    }
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw writingError(file, error);
  }
}

/**
 * Deletes a stale lock, guarded by a second lock: of two processes that saw it, the slower must not delete the fresh lock
 * of the faster.
 */
async function removeStale(file: string): Promise<void> {
  const guard = `${file}.takeover`;
  if ((await ageOf(guard)) > TAKEOVER_MS) await rm(guard, { force: true });
  if (!(await create(guard, ''))) return sleep(10);
  try {
    if ((await lockState(file)) === 'stale') await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** Held by a living process, left by one that is gone, or free. */
type LockState = { readonly holder: string } | 'stale' | 'free';

async function lockState(file: string): Promise<LockState> {
  const text = await ifExists(readFile(file, 'utf8'));
  if (text === undefined) return 'free';
  const age = await ageOf(file);
  const holder = parseHolder(text);
  if (!holder) return age < UNWRITTEN_MS ? { holder: 'another process' } : 'stale';
  return isLiving(holder, age) ? { holder: nameOf(holder) } : 'stale';
}

function nameOf({ pid, host }: Holder): string {
  return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
}

/** @param age milliseconds since the holder renewed its lock */
function isLiving({ pid, host, started }: Holder, age: number): boolean {
  if (host !== hostname()) return age < EXPIRY_MS;
  if (!isAlive(pid)) return false;
  // Without a start time, only renewals tell this process from a later one with the same number.
  if (started === '') return age < EXPIRY_MS;
  return started === undefined || started === startTime(pid);
}

/** Version 0.1.0 wrote the process's number alone. */
function parseHolder(text: string): Holder | undefined {
  try {
    const parsed: number | Holder = JSON.parse(text);
    return typeof parsed === 'number' ? { pid: parsed, host: hostname() } : parsed;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

function startTime(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in parentheses, may contain anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Milliseconds since a file was written; 0 if it does not exist. */
async function ageOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  return found ? Date.now() - found.mtimeMs : 0;
}
