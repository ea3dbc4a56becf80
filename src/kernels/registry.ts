import { UsageError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import {
  type BackendName,
  type BackendOptions,
  backendNames,
  type FormerBackendName,
  type Precision,
  presentBackendName,
} from './backend-options.ts';
import { createNativeBackend } from './native/native-backend.ts';
import { createReferenceBackend } from './reference/reference-backend.ts';

/** Which backend has a precision below float32. */
const PRECISION_OF = { bf16: 'native', f16: 'webgpu' } as const satisfies Partial<
  Record<Precision, BackendName>
>;

/**
 * Picks an implementation by name.
 * @throws UserError where the native addon, the library under it, or a GPU is missing, with what to install.
 */
export async function openBackend(
  name: BackendName | FormerBackendName = 'native',
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
export function createBackend(
  name: Exclude<BackendName, 'webgpu'> | FormerBackendName = 'native',
  options: BackendOptions = {},
): Backend {
  const present = presentBackendName(name);
  switch (present) {
    case 'native': {
      const precision = precisionFor(present, options) === 'bf16' ? 'bf16' : 'fp32';
      return createNativeBackend({ ...options, precision });
    }
    case 'reference':
      precisionFor(present, options);
      refuseKernels(present, options);
      return createReferenceBackend();
    default:
      throw new UsageError(`there is no backend "${name}"; choose one of ${backendNames.join(', ')}`);
  }
}

/** @throws UsageError where a backend does not have the precision. */
function precisionFor(name: BackendName, { precision = 'fp32' }: BackendOptions): Precision {
  if (precision === 'fp32' || PRECISION_OF[precision] === name) return precision;
  throw new UsageError(
    `precision ${precision} is for the backend ${PRECISION_OF[precision]}: leave either it or --backend ${name} out`,
  );
}

function refuseKernels(name: BackendName, { kernels }: BackendOptions): void {
  if (!kernels) return;
  throw new UsageError(
    `the choice of kernels (${kernels}) is for the backend native: leave either it or --backend ${name} out`,
  );
}
