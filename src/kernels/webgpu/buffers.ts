/// <reference types="@webgpu/types" />
/** A program's buffers, and reading results back from the GPU. */
import { GPU_USAGE, type Gpu } from './gpu.ts';

/** GPUMapMode.READ; Node does not define the global. */
const MAP_READ = 0x1;

/** The usage of a buffer that results are read through. */
const MAPPED = GPU_USAGE.MAP_READ | GPU_USAGE.COPY_DST;

/** The buffers of a program, freed together. */
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

  /** Allocates float32 values, all zero. @param what named in the error message if the buffer is too large */
  storage(what: string, values: number): GPUBuffer {
    return this.#keep(this.#gpu.storage(what, values));
  }

  /** Allocates activations in their storage format, all zero. @param what as for `storage` */
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

/** A pool of the buffers through which results are read. A call takes one, and returns it after reading its result. */
export class Staging {
  readonly #gpu: Gpu;
  readonly #usage: number;
  readonly #free = new Map<number, GPUBuffer[]>();
  #closed = false;

  /** @param usage default: the buffers can be mapped */
  constructor(gpu: Gpu, usage: number = MAPPED) {
    this.#gpu = gpu;
    this.#usage = usage;
  }

  take(bytes: number): GPUBuffer {
    const size = Math.ceil(bytes / 4) * 4;
    return this.#free.get(size)?.pop() ?? this.#gpu.device.createBuffer({ size, usage: this.#usage });
  }

  giveBack(buffer: GPUBuffer): void {
    if (this.#closed) {
      buffer.destroy();
      return;
    }
    const free = this.#free.get(buffer.size);
    if (free) free.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  close(): void {
    this.#closed = true;
    for (const buffer of [...this.#free.values()].flat()) buffer.destroy();
  }
}

/**
 * Reads the first bytes of a buffer after everything submitted earlier has run.
 * @throws UserError when the device is lost meanwhile
 */
export async function readBack(gpu: Gpu, source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const size = Math.ceil(bytes / 4) * 4;
  const staging = gpu.device.createBuffer({ size, usage: MAPPED });
  gpu.submit((encoder) => encoder.copyBufferToBuffer(source, 0, staging, 0, size));
  try {
    return await mapped(gpu, staging, bytes);
  } finally {
    staging.destroy();
  }
}

/** Copies a staging buffer's first bytes, once they are written. @throws UserError when the device is lost meanwhile */
export async function mapped(gpu: Gpu, staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const copy = (await mappedRange(gpu, staging)).slice(0, bytes);
  staging.unmap();
  return copy;
}

/** A staging buffer's memory itself, until it is unmapped. @throws UserError when the device is lost meanwhile */
export async function mappedRange(gpu: Gpu, staging: GPUBuffer): Promise<ArrayBuffer> {
  try {
    await staging.mapAsync(MAP_READ);
  } catch (error) {
    throw gpu.lossError(error);
  }
  return staging.getMappedRange();
}
