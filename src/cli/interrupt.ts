import { InterruptedError } from '../core/errors.ts';

/** mpirun and Slurm can be configured to forward SIGUSR2 to the ranks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const;

/**
 * Runs work that Ctrl-C, SIGTERM or SIGUSR2 stops cleanly through the abort signal. A second signal exits at once.
 * @throws InterruptedError when the work stopped because of the signal.
 */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new InterruptedError('stopped'));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
