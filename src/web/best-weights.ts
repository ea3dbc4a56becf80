/** The weights of the lowest validation error, beside those that are trained: `vgg train` has a file for them. */
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

  /** Undefined until something was kept. */
  get kept(): GpuParameters | undefined {
    return this.#kept;
  }

  /** Takes the weights as they are now; a copy within the GPU's memory. */
  keep(): void {
    this.#kept ??= this.#backend.createParameters(this.#trained.specs, { training: false });
    this.#trained.copyValuesTo(this.#kept);
  }

  dispose(): void {
    this.#kept?.dispose();
    this.#kept = undefined;
  }
}
