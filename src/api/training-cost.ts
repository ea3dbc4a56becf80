/** What a training costs, before it starts. */

import { UserError } from '../core/errors.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import { createBackend } from '../kernels/registry.ts';
import { imageFlops } from '../net/cost.ts';
import { defaultMicroBatch } from '../plan/activation-memory.ts';
import { trainingTime } from '../plan/arithmetic-time.ts';
import { checkpointBytes, type MemoryPlanner, trainingBytes, weightBytes } from '../plan/process-memory.ts';
import type { Recipe } from '../train/recipe.ts';
import { networkOf } from '../train/resolve-recipe.ts';
import { measureSpeed } from './measure-speed.ts';

/** Batch size of the measurement: large enough for full speed, small enough for any machine. */
export const MEASURED_BATCH = 8;

export interface TrainingCost {
  /** Floating-point operations. */
  readonly flops: number;
  /** Training time in seconds, by the speed of a short measurement, which the signal ends. */
  measureSeconds(signal?: AbortSignal): Promise<number>;
  /** Bytes of memory: the process and the decoded images that it keeps. */
  readonly memory: number;
  /** Bytes on the disk: checkpoint, best model, and the space reserved for the next checkpoint. */
  readonly disk: number;
}

/**
 * @param data numbers of training images and classes, and the images' smaller side in pixels
 * @param ranks number of processes that share each batch; time and memory are those of one, without the exchange of
 *   gradients (default: 1)
 */
export async function trainingCost(
  recipe: Recipe,
  { images, classes, side }: { readonly images: number; readonly classes: number; readonly side: number },
  ranks = 1,
): Promise<TrainingCost> {
  const network = networkOf(recipe, Math.max(2, classes));
  const { batch, backend, threads, iterations = (recipe.epochs * images) / batch } = recipe;
  const share = Math.ceil(batch / ranks);
  const microBatch = Math.min(share, recipe['micro-batch'] ?? defaultMicroBatch(network, share));
  const process = await trainingBytes(network, microBatch, memoryPlanner(backend, threads));
  // Photographs are usually 4:3.
  const decoded = images * 3 * side ** 2 * (4 / 3);
  return {
    flops: imageFlops(network).training * iterations * batch,
    measureSeconds: async (signal) => {
      const speed = await measureSpeed(network, Math.min(share, MEASURED_BATCH), backend, {
        threads,
        signal,
      });
      return iterations * share * trainingTime(network, speed);
    },
    memory: process + Math.min(recipe['memory-budget'] * 2 ** 20, decoded),
    disk: 2 * checkpointBytes(network) + weightBytes(network),
  };
}

/** Only the native backend plans memory. Without its addon there is still an estimate. */
export function memoryPlanner(name: BackendName, threads?: number): MemoryPlanner | undefined {
  if (name !== 'native') return undefined;
  try {
    const backend = createBackend(name, { threads });
    return backend.planMemory?.bind(backend);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
