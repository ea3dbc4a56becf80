import { InterruptedError } from '../core/errors.ts';

/** The last is what mpirun and Slurm can be told to pass on to the ranks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const;

/**
 * Does work that stops in good order at Ctrl-C, a termination signal or SIGUSR2; at a second one the process ends at once.
 * @throws InterruptedError when the work gave up because of the signal.
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
