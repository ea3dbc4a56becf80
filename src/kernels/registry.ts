import { UsageError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import { createNativeBackend, type KernelChoice, type Precision } from './native/native-backend.ts';
import { createReferenceBackend } from './reference/reference-backend.ts';

export const backendNames = ['onednn', 'webgpu', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

/** Those on the processor, which are there at once; a GPU has to be opened first. */
export type ProcessorBackendName = Exclude<BackendName, 'webgpu'>;

export interface BackendOptions {
  /** Default: the machine's cores. */
  readonly threads?: number;
  /** Of the backend `onednn`: whose kernels run the 3×3 convolutions. Default: our own. */
  readonly kernels?: KernelChoice;
  /** Of the backend `onednn`: what inference multiplies. Default: fp32. */
  readonly precision?: Precision;
}

/**
 * Picks an implementation by name.
 * @throws UserError where the native addon, the library under it, or a GPU is missing, with what to install.
 */
export async function openBackend(
  name: BackendName = 'onednn',
  options: BackendOptions = {},
): Promise<Backend> {
  if (name !== 'webgpu') return createBackend(name, options);
  refuseNativeOptions(name, options);
  // Only here, so that nobody else loads a GPU's driver.
  const { openNodeGpu } = await import('./webgpu/node-gpu.ts');
  const { createWebGpuBackend } = await import('./webgpu/webgpu-backend.ts');
  return createWebGpuBackend(await openNodeGpu());
}

/**
 * `openBackend` for those that are there at once.
 * @throws UserError where the native addon or the library under it is missing, with what to install.
 */
export function createBackend(name: ProcessorBackendName = 'onednn', options: BackendOptions = {}): Backend {
  switch (name) {
    case 'onednn':
      return createNativeBackend(options);
    case 'reference':
      refuseNativeOptions(name, options);
      return createReferenceBackend();
    default:
      throw new UsageError(`there is no backend "${name}"; choose one of ${backendNames.join(', ')}`);
  }
}

function refuseNativeOptions(name: BackendName, { precision, kernels }: BackendOptions): void {
  const refused = precision === 'bf16' ? 'precision bf16' : kernels && `the choice of kernels (${kernels})`;
  if (!refused) return;
  throw new UsageError(`${refused} is for the backend onednn: leave either it or --backend ${name} out`);
}
