import { single } from '../comm/communicator.ts';
import type { BackendName, BackendOptions } from '../kernels/backend-options.ts';
import { openBackend } from '../kernels/registry.ts';
import { imageFlops } from '../net/cost.ts';
import type { Network } from '../net/network.ts';
import type { Speed } from '../plan/arithmetic-time.ts';
import { fillWithNoise, prepareInference, prepareTraining, type TimedProgram } from './benchmark-programs.ts';

/** How long each measurement is repeated. */
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
  options: BackendOptions,
): Promise<Speed> {
  const backend = await openBackend(name, options);
  const parameters = backend.createParameters(network.parameters, { training: true });
  try {
    await fillWithNoise(parameters);
    const flops = imageFlops(network);
    const inference = await leastMilliseconds(await prepareInference(backend, parameters, network, batch));
    const training = await leastMilliseconds(
      await prepareTraining(backend, parameters, network, batch, single),
    );
    return {
      inferenceGflops: (flops.forward * batch) / inference / 1e6,
      trainingGflops: (flops.training * batch) / training / 1e6,
    };
  } finally {
    parameters.dispose();
  }
}

/** The time of the fastest run after a warm-up: the run that other processes disturbed least. */
async function leastMilliseconds({ program, run }: TimedProgram): Promise<number> {
  try {
    await run();
    let least = Infinity;
    for (const end = performance.now() + SECONDS * 1000; least === Infinity || performance.now() < end; ) {
      const { total, update } = await run();
      least = Math.min(least, total - update);
    }
    return least;
  } finally {
    program.dispose();
  }
}
