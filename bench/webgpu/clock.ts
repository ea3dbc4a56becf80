import { type Dispatch, encode, prepare } from '../../src/kernels/webgpu/dispatch.ts';
import type { Gpu } from '../../src/kernels/webgpu/gpu.ts';

/**
 * Seconds per run: the fastest of a few, after one that warms up. On a software device it is processor time, which does
 * not grow when the machine has other work.
 */
export async function seconds(gpu: Gpu, dispatches: readonly Dispatch[], lasting: number): Promise<number> {
  const prepared = await prepare(gpu, dispatches);
  let best = Infinity;
  const end = performance.now() + 1000 * lasting;
  for (let run = 0; run < 3 || performance.now() < end; run++) {
    const start = now(gpu);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, prepared, 1);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
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
