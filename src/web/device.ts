/** The device that a model is on: a caller's, or one of its own. */
import { openBrowserGpu } from '../kernels/webgpu/browser-gpu.ts';
import type { Gpu } from '../kernels/webgpu/gpu.ts';
import { createWebGpuBackend, type WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';

export interface OpenDevice {
  readonly backend: WebGpuBackend;
  /** Gives the device back, unless it is the caller's. */
  release(): void;
}

/**
 * @param given a device that is open already; else the visitor's own is opened
 * @throws UserError where there is none
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
