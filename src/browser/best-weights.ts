/** A copy of the weights with the lowest validation error. (`vgg train` keeps it in a file.) */
import type { GpuParameters } from '../kernels/webgpu/gpu-parameters.ts';
import type { WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';

export class BestWeights {
  readonly #backend: WebGpuBackend;
  readonly #trained: GpuParameters;
  #kept: GpuParameters | undefined;

  constructor(backend: WebGpuBackend, trained: GpuParameters) {
    this.#backend = backend;
    this.#trained = trained;
  }

  /** Undefined before the first `keep`. */
  get kept(): GpuParameters | undefined {
    return this.#kept;
  }

  /** Copies the current weights within GPU memory. */
  keep(): void {
    this.#kept ??= this.#backend.createParameters(this.#trained.specs, { training: false });
    this.#trained.copyValuesTo(this.#kept);
  }

  dispose(): void {
    this.#kept?.dispose();
    this.#kept = undefined;
  }
}
