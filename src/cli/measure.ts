import { elementCount } from '../core/shape.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import { type BackendName, type BackendOptions, openBackend } from '../kernels/registry.ts';
import { cropShape, type Network } from '../net/network.ts';
import { imageFlops, type Speed } from '../report/plan.ts';

/** Each timing is repeated for about so long. */
const SECONDS = 1;

/**
 * Times a few forward passes and training steps of a network on this machine.
 * @throws UserError where the backend is missing.
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
    await fillWithMeans(parameters);
    const flops = imageFlops(network);
    const inference = await timeInference(backend, parameters, network, batch);
    const training = await timeTraining(backend, parameters, network, batch);
    return {
      inferenceGflops: (flops.forward * batch) / inference / 1e9,
      trainingGflops: (flops.training * batch) / training / 1e9,
    };
  } finally {
    parameters.dispose();
  }
}

/**
 * Weights that make each output the mean of its inputs: all values stay near 1. Zeros would not do, since
 * memory that was never written takes no time to read.
 */
async function fillWithMeans(parameters: Parameters): Promise<void> {
  for (const { name, shape, role } of parameters.specs) {
    if (role === 'bias') continue;
    const count = elementCount(shape);
    await parameters.write('values', name, new Float32Array(count).fill(shape[0]! / count));
  }
}

async function timeInference(
  backend: Backend,
  parameters: Parameters,
  network: Network,
  batch: number,
): Promise<number> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compile({ layers: network.layers, inputShape, parameters });
  const input = imagesOf(network, batch);
  try {
    return await bestSeconds(() => program.forward(input));
  } finally {
    program.dispose();
  }
}

async function timeTraining(
  backend: Backend,
  parameters: Parameters,
  network: Network,
  batch: number,
): Promise<number> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compileTraining({ layers: network.layers, inputShape, parameters });
  const input = imagesOf(network, batch);
  const labels = new Int32Array(batch);
  try {
    return await bestSeconds(() => program.accumulate({ input, labels }, 1 / batch));
  } finally {
    program.dispose();
  }
}

function imagesOf(network: Network, batch: number): Float32Array {
  return new Float32Array(batch * 3 * network.crop ** 2).fill(1);
}

/** The fastest of a few runs, after one that warms up: what the machine can do undisturbed. */
async function bestSeconds(run: () => Promise<unknown>): Promise<number> {
  await run();
  let best = Infinity;
  for (const end = performance.now() + SECONDS * 1000; best === Infinity || performance.now() < end; ) {
    const start = performance.now();
    await run();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}
