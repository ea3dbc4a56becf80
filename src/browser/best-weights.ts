/** A copy of the weights with the lowest validation error. (`vgg train` keeps it in a file.) */
import type { Backend, Parameters } from '../kernels/backend.ts';
import { GpuParameters } from '../kernels/webgpu/gpu-parameters.ts';

export class BestWeights {
  readonly #backend: Backend;
  readonly #trained: Parameters;
  #kept: Parameters | undefined;

  constructor(backend: Backend, trained: Parameters) {
    this.#backend = backend;
    this.#trained = trained;
  }

  /** Undefined before the first `keep`. */
  get kept(): Parameters | undefined {
    return this.#kept;
  }

  /** Copies the current weights, those of a GPU within its memory. */
  async keep(): Promise<void> {
    const trained = this.#trained;
    this.#kept ??= this.#backend.createParameters(trained.specs, { training: false });
    const kept = this.#kept;
    if (trained instanceof GpuParameters && kept instanceof GpuParameters) {
      trained.copyValuesTo(kept);
      return;
    }
    for (const { name } of trained.specs) {
      await kept.write('values', name, await trained.read('values', name));
    }
  }

  dispose(): void {
    this.#kept?.dispose();
    this.#kept = undefined;
  }
}
