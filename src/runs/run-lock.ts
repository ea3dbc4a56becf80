/** The lock of a run folder: one process at a time trains a run. */
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { holderOf, tryLock, type Unlock } from '../core/file-lock.ts';
import type { RunFolder } from './run-folder.ts';

function lockFile({ path }: RunFolder): string {
  return join(path, '.lock');
}

/** Whether a living process trains this run. */
export async function isBeingTrained(folder: RunFolder): Promise<boolean> {
  return (await holderOf(lockFile(folder))) !== undefined;
}

/**
 * Locks the run for this process.
 * @returns a function that releases it.
 * @throws UserError when another living process holds the lock, or the folder is not writable.
 */
export async function lockRun(folder: RunFolder): Promise<Unlock> {
  const file = lockFile(folder);
  const lock = await tryLock(file);
  if (typeof lock === 'function') return lock;
  throw new UserError(
    `the run ${folder.path} is being trained by ${lock.holder}; wait for it or stop it (if that process is not a training run, delete ${file})`,
  );
}
