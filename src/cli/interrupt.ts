import { readFileSync } from 'node:fs';
import { InterruptedError } from '../core/errors.ts';
import { log } from './output.ts';

/** mpirun and Slurm can be configured to forward SIGUSR2 to the ranks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const;

/** The shell that started this process, and npm above it; loading a model takes long enough for them to end meanwhile. */
const parent = process.ppid;
const grandparent = parentOf(parent);

/** The parent of another process, where the system shows it in /proc. */
function parentOf(pid: number): string | undefined {
  try {
    // The name in parentheses may contain anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1];
  } catch {
    return undefined;
  }
}

/** What commands that save their progress answer to the first signal. */
export const SAVING = 'Finishing this step, then saving; press Ctrl-C again to quit without saving';

/** What they answer before there is anything to save. */
export const STOPPING = 'Stopping before the first step; press Ctrl-C again to quit at once';

/**
 * Runs work that Ctrl-C, SIGTERM or SIGUSR2 stops cleanly through the abort signal. A second signal exits at once.
 * @param answer printed at the first signal (default: nothing)
 * @throws InterruptedError when the work stopped because of the signal.
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  answer?: string | (() => string),
): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    if (answer !== undefined) log(typeof answer === 'string' ? answer : answer());
    controller.abort(new InterruptedError('stopped'));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  const watch = watchLauncher(() => controller.signal.aborted || stop());
  try {
    return await work(controller.signal);
  } finally {
    clearInterval(watch);
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

/**
 * npm and npx run a program below a shell, and a signal that ends them does not always reach the program: it would go on
 * with nobody to stop it. So it stops when npm is gone.
 */
function watchLauncher(stop: () => unknown): NodeJS.Timeout | undefined {
  const { npm_execpath: npm } = process.env;
  if (npm === undefined || process.platform === 'win32') return undefined;
  const watch = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return;
    clearInterval(watch);
    stop();
  }, 500);
  return watch.unref();
}
