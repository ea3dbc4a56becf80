import { UsageError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import { createNativeBackend, type KernelChoice } from './native/native-backend.ts';
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
  /** What is multiplied (default fp32): `bf16` of the backend `onednn`, in inference; `f16` of `webgpu`. */
  readonly precision?: Precision;
}

export type Precision = 'fp32' | 'bf16' | 'f16';

/** Who can compute with less than float32. */
const PRECISION_OF = { bf16: 'onednn', f16: 'webgpu' } as const satisfies Partial<
  Record<Precision, BackendName>
>;

/**
 * Picks an implementation by name.
 * @throws UserError where the native addon, the library under it, or a GPU is missing, with what to install.
 */
export async function openBackend(
  name: BackendName = 'onednn',
  options: BackendOptions = {},
): Promise<Backend> {
  if (name !== 'webgpu') return createBackend(name, options);
  const precision = precisionFor(name, options);
  refuseKernels(name, options);
  // Only here, so that nobody else loads a GPU's driver.
  const { openNodeGpu } = await import('./webgpu/node-gpu.ts');
  const { createWebGpuBackend } = await import('./webgpu/webgpu-backend.ts');
  return createWebGpuBackend(await openNodeGpu(precision === 'f16' ? 'f16' : 'fp32'));
}

/**
 * `openBackend` for those that are there at once.
 * @throws UserError where the native addon or the library under it is missing, with what to install.
 */
export function createBackend(name: ProcessorBackendName = 'onednn', options: BackendOptions = {}): Backend {
  switch (name) {
    case 'onednn': {
      const { precision, ...others } = options;
      const own = precisionFor(name, { precision }) === 'bf16' ? ({ precision: 'bf16' } as const) : {};
      return createNativeBackend({ ...others, ...own });
    }
    case 'reference':
      precisionFor(name, options);
      refuseKernels(name, options);
      return createReferenceBackend();
    default:
      throw new UsageError(`there is no backend "${name}"; choose one of ${backendNames.join(', ')}`);
  }
}

/** @throws UsageError where a backend does not have the precision. */
function precisionFor(
  name: BackendName,
  { precision = 'fp32' }: { readonly precision?: Precision },
): Precision {
  if (precision === 'fp32' || PRECISION_OF[precision] === name) return precision;
  throw new UsageError(
    `precision ${precision} is for the backend ${PRECISION_OF[precision]}: leave either it or --backend ${name} out`,
  );
}

function refuseKernels(name: BackendName, { kernels }: BackendOptions): void {
  if (!kernels) return;
  throw new UsageError(
    `the choice of kernels (${kernels}) is for the backend onednn: leave either it or --backend ${name} out`,
  );
}
