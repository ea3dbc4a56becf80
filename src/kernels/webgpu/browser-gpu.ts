/// <reference types="@webgpu/types" />
/** Opens the visitor's GPU in a page, through the browser's WebGPU. */
import { messageOf, UserError } from '../../core/errors.ts';
import { adapterName, deviceDescriptor, isSoftwareAdapter } from './adapter.ts';
import { Gpu, type GpuOptions } from './gpu.ts';
import { TILE_FORMAT, TileLines } from './tuning/remembered-tiles.ts';

const AFTER_LOSS = 'load the page again; if it happens again, use a smaller batch or a narrower network';

/**
 * Opens the visitor's GPU. The fastest kernels are remembered in `localStorage`.
 *
 * @example
 * const gpu = await openBrowserGpu({ precision: 'f16' });
 *
 * @throws UserError, with a message to show to the visitor, when the browser has no WebGPU or cannot open a GPU.
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
    throw new UserError(`this browser could not open its GPU (${messageOf(error)})`, { cause: error });
  }
}

interface TextStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Remembers the fastest kernels for the next visit, where the browser allows pages to store anything. */
function keptLines(adapter: string): TileLines {
  const key = `${TILE_FORMAT} ${adapter}`;
  try {
    const { localStorage } = globalThis as unknown as { readonly localStorage: TextStorage };
    const kept = localStorage.getItem(key)?.split('\n') ?? [];
    return new TileLines(kept, (lines) => {
      try {
        localStorage.setItem(key, lines.join('\n'));
      } catch {
        // Full or forbidden: the next visit measures again.
      }
    });
  } catch {
    return new TileLines();
  }
}
