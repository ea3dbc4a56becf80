/// <reference types="@webgpu/types" />
/** Opens the visitor's GPU through the browser's WebGPU. */
import { messageOf, UserError } from '../../core/errors.ts';
import { adapterName, deviceDescriptor, Gpu, type GpuOptions, isSoftwareAdapter } from './device.ts';
import { TileLines } from './tuning.ts';

/** Grows when kernels change so that old choices would mislead. */
const FORMAT = 'verydeep gpu tiles 1';

const AFTER_LOSS = 'load the page again; if it happens again, use a smaller batch or a narrower network';

/**
 * Opens the visitor's GPU, to share it between models. `gpu.device.destroy()` closes it.
 * @throws UserError when the browser has no WebGPU, finds no GPU or cannot open it; the message is for the visitor
 * @example
 * const gpu = await openBrowserGpu();
 * const [small, large] = [await openModel('/a.safetensors', { gpu }), await openModel('/d.safetensors', { gpu })];
 */
export async function openBrowserGpu(options: GpuOptions = {}): Promise<Gpu> {
  const { navigator, isSecureContext } = globalThis as {
    readonly navigator?: { readonly gpu?: GPU };
    readonly isSecureContext?: boolean;
  };
  if (!navigator?.gpu) {
    throw new UserError(
      isSecureContext === false
        ? 'browsers allow WebGPU only on pages served over https or from this machine'
        : 'this browser has no WebGPU: use a current version of Chrome, Edge, Firefox or Safari',
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new UserError('no WebGPU GPU found');
  const descriptor = deviceDescriptor(adapter, options.precision);
  try {
    const device = await adapter.requestDevice(descriptor);
    const schedules = isSoftwareAdapter(adapter.info) ? undefined : keptLines(adapterName(adapter.info));
    return new Gpu(device, adapter.info, { afterLoss: AFTER_LOSS, schedules, ...options });
  } catch (error) {
    throw new UserError(`the GPU could not be opened (${messageOf(error)})`, { cause: error });
  }
}

interface TextStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What was found out about this GPU is kept for the next visit, where the browser lets pages keep anything. */
function keptLines(adapter: string): TileLines {
  const key = `${FORMAT} ${adapter}`;
  try {
    const { localStorage } = globalThis as unknown as { readonly localStorage: TextStorage };
    const kept = localStorage.getItem(key)?.split('\n') ?? [];
    return new TileLines(kept, (lines) => {
      try {
        localStorage.setItem(key, lines.join('\n'));
      } catch {
        // Full, or forbidden: found out again at the next visit.
      }
    });
  } catch {
    return new TileLines();
  }
}
