import { performance } from 'node:perf_hooks';
import { UserError } from '../core/errors.ts';
import type { BackendOptions } from '../kernels/backend-options.ts';
import { openBackend } from '../kernels/registry.ts';
import type { Network } from '../net/network.ts';
import type { TransferSpeed } from '../plan/gpu-scaling.ts';

const RUNS = 3;
/** Values added to measure the speed of additions: 32 MiB, more than caches hold. */
const ADDED = 8 * 2 ** 20;

/**
 * Times how fast one GPU's gradients move to this process's memory and back, and how fast they are added.
 * @throws UserError when there is no GPU, or memory runs out.
 */
export async function measureTransfer(network: Network, options: BackendOptions): Promise<TransferSpeed> {
  const backend = await openBackend('webgpu', options);
  const parameters = backend.createParameters(network.parameters, { training: true });
  try {
    const { gradientTransfer: transfer } = parameters;
    if (transfer?.devices !== 1) throw new UserError('measure the exchange on one GPU: leave out --gpus');
    const values = parameters.gradientBlock().length;
    const read = await least(() => transfer.fetch(0, values, false));
    const write = await least(async () => {
      await transfer.store(0, values, false);
      await backend.instruments.finish();
    });
    return {
      read: (4 * values) / read,
      write: (4 * values) / write,
      add: (4 * ADDED) / (await least(adding())),
    };
  } finally {
    parameters.dispose();
  }
}

function adding(): () => Promise<void> {
  const [sum, terms] = [new Float32Array(ADDED), new Float32Array(ADDED).fill(1)];
  return async () => {
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + terms[i]!;
  };
}

/** The shortest time in seconds, after a warm-up. */
async function least(run: () => Promise<unknown>): Promise<number> {
  await run();
  let best = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    await run();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}
