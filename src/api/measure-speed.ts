import { single } from '../comm/communicator.ts';
import { availableCores } from '../core/available-cores.ts';
import { median } from '../core/statistics.ts';
import type { BackendName, BackendOptions } from '../kernels/backend-options.ts';
import { openBackend } from '../kernels/registry.ts';
import { imageFlops } from '../net/cost.ts';
import type { Network } from '../net/network.ts';
import type { Speed } from '../plan/arithmetic-time.ts';
import type { RoundSpeed } from '../reproduce/time-estimate.ts';
import { fillWithNoise, prepareInference, prepareTraining, type TimedProgram } from './benchmark-programs.ts';

/** How long `measureSpeed` repeats each measurement. */
const SECONDS = 1;

/**
 * Times forward passes and training steps of a network on this machine. It leaves out the weight update, whose time does
 * not depend on the batch size, since planned batches are larger than those timed here.
 * @throws UserError when the backend is not available.
 */
export async function measureSpeed(
  network: Network,
  batch: number,
  name: BackendName,
  options: BackendOptions & { readonly signal?: AbortSignal },
): Promise<Speed> {
  const { inference, training } = await timesOf(network, batch, name, options, SECONDS);
  // The run that other processes disturbed least.
  const least = (runs: readonly Run[]) => Math.min(...runs.map(({ wall }) => wall));
  return speedOf(network, batch, least(inference), least(training));
}

/** How long each measurement of a round is repeated. */
const ROUND_SECONDS = 0.2;

/**
 * Times a network for a moment: the median of the timings, and the processor time on all threads, which is how fast
 * it would be if nothing else ran.
 * @throws UserError when the backend is not available.
 */
export async function measureRound(
  network: Network,
  batch: number,
  name: BackendName,
  options: BackendOptions,
): Promise<RoundSpeed> {
  const { inference, training } = await timesOf(network, batch, name, options, ROUND_SECONDS);
  const threads = options.threads ?? availableCores();
  const wall = (runs: readonly Run[]) => median(runs.map((run) => run.wall));
  // Other backends compute elsewhere. No run can be faster than its processor time, spread over all threads.
  const alone = (runs: readonly Run[]) =>
    name === 'native' ? Math.min(wall(runs), median(runs.map(({ cpu }) => cpu / threads))) : wall(runs);
  return {
    now: speedOf(network, batch, wall(inference), wall(training)),
    idle: speedOf(network, batch, alone(inference), alone(training)),
    updateSeconds: median(training.map(({ update }) => update)) / 1000,
  };
}

/** @param inference,training milliseconds per batch */
function speedOf(network: Network, batch: number, inference: number, training: number): Speed {
  const flops = imageFlops(network);
  return {
    inferenceGflops: (flops.forward * batch) / inference / 1e6,
    trainingGflops: (flops.training * batch) / training / 1e6,
  };
}

/** Milliseconds of a run without the update, the processor time of all threads, and the update. */
interface Run {
  readonly wall: number;
  readonly cpu: number;
  readonly update: number;
}

async function timesOf(
  network: Network,
  batch: number,
  name: BackendName,
  { signal, ...options }: BackendOptions & { readonly signal?: AbortSignal },
  seconds: number,
): Promise<{ inference: Run[]; training: Run[] }> {
  const backend = await openBackend(name, options);
  const parameters = backend.createParameters(network.parameters, { training: true });
  try {
    await fillWithNoise(parameters);
    signal?.throwIfAborted();
    const inference = await repeated(
      await prepareInference(backend, parameters, network, batch),
      seconds,
      signal,
    );
    const training = await repeated(
      await prepareTraining(backend, parameters, network, batch, single),
      seconds,
      signal,
    );
    return { inference, training };
  } finally {
    parameters.dispose();
  }
}

/** Runs a program again and again, after a warm-up. */
async function repeated(
  { program, run }: TimedProgram,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<Run[]> {
  try {
    await run();
    const runs: Run[] = [];
    for (const end = performance.now() + seconds * 1000; runs.length === 0 || performance.now() < end; ) {
      signal?.throwIfAborted();
      const before = process.cpuUsage();
      const { total, update } = await run();
      const { user, system } = process.cpuUsage(before);
      // The update takes its share of the processor time.
      const cpu = ((user + system) / 1000) * (1 - update / total);
      runs.push({ wall: total - update, cpu, update });
    }
    return runs;
  } finally {
    program.dispose();
  }
}
