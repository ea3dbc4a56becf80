/// <reference types="@webgpu/types" />
import type { Gpu } from './device.ts';

/** Buffers of a program, which are freed with it. */
export class Memory {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  get bytes(): number {
    return this.#buffers.reduce((sum, { size }) => sum + size, 0);
  }

  uniform(bytes: ArrayBuffer): GPUBuffer {
    return this.#keep(this.#gpu.uniform(bytes));
  }

  /** float32 values, all zero. */
  storage(what: string, values: number): GPUBuffer {
    return this.#keep(this.#gpu.storage(what, values));
  }

  /** Values as layers are kept, all zero. */
  layers(what: string, values: number): GPUBuffer {
    return this.storage(what, (values * this.#gpu.kept.bytes) / 4);
  }

  free(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  #keep(buffer: GPUBuffer): GPUBuffer {
    this.#buffers.push(buffer);
    return buffer;
  }
}
