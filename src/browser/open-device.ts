/** Opens what computes a model: the visitor's GPU through WebGPU, or the visitor's CPU through WebAssembly. */
import { messageOf, UserError } from '../core/errors.ts';
import type { Backend } from '../kernels/backend.ts';
import { openBrowserWasm } from '../kernels/wasm/browser-engine.ts';
import { openBrowserGpu } from '../kernels/webgpu/browser-gpu.ts';
import type { Gpu } from '../kernels/webgpu/gpu.ts';
import { createWebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';

/** `webgpu`: the visitor's GPU; `wasm`: the visitor's CPU, through WebAssembly. */
export type WebBackendName = 'webgpu' | 'wasm';

export interface DeviceOptions {
  /** What computes (default: `webgpu`, or `wasm` where the browser finds no GPU). */
  readonly backend?: WebBackendName;
  /** An open device, which stays open (default: the visitor's GPU is opened, and closed again). */
  readonly gpu?: Gpu;
  /**
   * Compute threads of the backend `wasm`; several need a cross-origin isolated page (default: one for each core, at
   * most 16; one where the page is not isolated).
   */
  readonly threads?: number;
}

export interface OpenDevice {
  readonly name: WebBackendName;
  readonly backend: Backend;
  /** Resolves when the device is lost. */
  readonly lost: Promise<UserError>;
  /** Most bytes for the activations of a batch, and for compiled programs (default: see `BatchingLimits`). */
  readonly limits: { readonly batchBytes: number; readonly programBytes?: number };
  /** Frees the device, unless it is the caller's. */
  release(): void;
}

/**
 * @throws UserError when options contradict each other, or nothing can compute
 */
export async function openDevice(options: DeviceOptions): Promise<OpenDevice> {
  const { backend, gpu, threads } = options;
  if (backend !== undefined && backend !== 'webgpu' && backend !== 'wasm') {
    throw new UserError(`unknown backend "${backend}": choose webgpu or wasm`);
  }
  if (backend !== 'wasm' && threads !== undefined) {
    throw new UserError("threads works only with the backend wasm: add backend: 'wasm' or leave it out");
  }
  if (backend === 'wasm' && gpu) {
    throw new UserError('gpu and the backend wasm contradict each other: leave one out');
  }
  if (backend === 'wasm') return openWasm(threads);
  try {
    return await openGpu(gpu);
  } catch (error) {
    if (backend || gpu || !(error instanceof UserError)) throw error;
    return openWasm().catch((second) => {
      throw new UserError(`${error.message}; ${messageOf(second)}`, { cause: second });
    });
  }
}

const MEBIBYTE = 2 ** 20;
/** A visitor's GPU also draws other pages. */
const GPU_BATCH_BYTES = 256 * MEBIBYTE;
/** WebAssembly's memory ends at 4 GiB, and that of a page often earlier. */
const WASM_LIMITS = { batchBytes: 48 * MEBIBYTE, programBytes: 512 * MEBIBYTE };

async function openGpu(given: Gpu | undefined): Promise<OpenDevice> {
  const gpu = given ?? (await openBrowserGpu());
  const release = () => {
    if (!given) gpu.device.destroy();
  };
  try {
    return {
      name: 'webgpu',
      backend: await createWebGpuBackend(gpu),
      lost: gpu.device.lost.then(() => gpu.lossError()),
      limits: { batchBytes: Math.min(GPU_BATCH_BYTES, gpu.limits.bindingBytes) },
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

async function openWasm(threads?: number): Promise<OpenDevice> {
  const backend = await openBrowserWasm({ threads });
  const release = () => backend.close();
  return { name: 'wasm', backend, lost: backend.lost, limits: WASM_LIMITS, release };
}
