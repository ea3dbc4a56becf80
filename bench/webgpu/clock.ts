import { type Dispatch, encodePass, prepare } from '../../src/kernels/webgpu/dispatch.ts';
import type { Gpu } from '../../src/kernels/webgpu/gpu.ts';

/**
 * Returns the seconds of the fastest of several runs, after a warm-up. On a software device it is processor time, which
 * does not grow when the machine has other work.
 */
export async function seconds(gpu: Gpu, dispatches: readonly Dispatch[], lasting: number): Promise<number> {
  const prepared = await prepare(gpu, dispatches);
  let best = Infinity;
  const end = performance.now() + 1000 * lasting;
  for (let run = 0; run < 3 || performance.now() < end; run++) {
    const start = now(gpu);
    gpu.submit((encoder) => encodePass(encoder, prepared, 1));
    await gpu.device.queue.onSubmittedWorkDone();
    if (run > 0) best = Math.min(best, now(gpu) - start);
  }
  return best;
}

function now({ isSoftware }: Gpu): number {
  if (!isSoftware) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
