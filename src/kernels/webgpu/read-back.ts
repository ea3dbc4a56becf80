/** From the GPU's memory to JavaScript's. */
import { GPU_USAGE, type Gpu, MAP_READ } from './device.ts';

/**
 * The first bytes of a buffer, as they are when everything that was submitted before has run.
 * @throws UserError when the device is lost meanwhile
 */
export async function readBack(gpu: Gpu, source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const { device } = gpu;
  const size = Math.ceil(bytes / 4) * 4;
  const staging = device.createBuffer({ size, usage: GPU_USAGE.MAP_READ | GPU_USAGE.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  try {
    return await mapped(gpu, staging, bytes);
  } finally {
    staging.destroy();
  }
}

/** A copy of what a buffer that can be mapped holds, once it is written. */
export async function mapped(gpu: Gpu, staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  try {
    await staging.mapAsync(MAP_READ);
  } catch (error) {
    throw gpu.lossError(error);
  }
  const copy = staging.getMappedRange().slice(0, bytes);
  staging.unmap();
  return copy;
}
