/** Provides the GPU for a model: the caller's, or one opened for the model. */
import { openBrowserGpu } from '../kernels/webgpu/browser-gpu.ts';
import type { Gpu } from '../kernels/webgpu/gpu.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';

export interface OpenDevice {
  readonly backend: WebGpuBackend;
  /** Destroys the device, unless it is the caller's. */
  release(): void;
}

/**
 * @param given an open device (default: the visitor's GPU is opened)
 * @throws UserError when there is no GPU
 */
export async function openDevice(given: Gpu | undefined): Promise<OpenDevice> {
  const gpu = given ?? (await openBrowserGpu());
  const release = () => {
    if (!given) gpu.device.destroy();
  };
  try {
    return { backend: await createWebGpuBackend(gpu), release };
  } catch (error) {
    release();
    throw error;
  }
}
