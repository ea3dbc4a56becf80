/// <reference types="@webgpu/types" />
/** How long kernels take: by the GPU's own clock where it has one, else from submission until they are done. */
import { GPU_USAGE, type Gpu } from './device.ts';
import { encode, type Prepared } from './dispatch.ts';
import { hasKernelClock } from './kernel-clock.ts';
import { readBack } from './read-back.ts';

export class Stopwatch {
  readonly #gpu: Gpu;
  readonly #queries: GPUQuerySet | undefined;
  readonly #ticks: GPUBuffer | undefined;

  /** @param useTimestamps default: if the device has them */
  constructor(gpu: Gpu, useTimestamps: boolean = hasKernelClock(gpu)) {
    this.#gpu = gpu;
    if (!useTimestamps) return;
    this.#queries = gpu.device.createQuerySet({ type: 'timestamp', count: 2 });
    this.#ticks = gpu.device.createBuffer({
      size: 16,
      usage: GPU_USAGE.QUERY_RESOLVE | GPU_USAGE.COPY_SRC,
    });
  }

  /** Seconds a repetition. */
  async seconds(prepared: readonly Prepared[], images: number, repetitions: number): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(
      this.#queries && {
        timestampWrites: {
          querySet: this.#queries,
          beginningOfPassWriteIndex: 0,
          endOfPassWriteIndex: 1,
        },
      },
    );
    for (let repetition = 0; repetition < repetitions; repetition++) encode(pass, prepared, images);
    pass.end();
    if (this.#queries) encoder.resolveQuerySet(this.#queries, 0, 2, this.#ticks!, 0);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    if (!this.#ticks) {
      await device.queue.onSubmittedWorkDone();
      return (performance.now() - start) / 1000 / repetitions;
    }
    const [begin, end] = new BigUint64Array(await readBack(this.#gpu, this.#ticks, 16));
    // In nanoseconds. A clock may be set back between the two.
    return Math.max(0, Number(end! - begin!)) / 1e9 / repetitions;
  }

  dispose(): void {
    this.#queries?.destroy();
    this.#ticks?.destroy();
  }
}
