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
import { noteFallback, openKernels } from './open-kernels.ts';
import { createReferenceBackend } from './reference/reference-backend.ts';

/** The backend that supports each precision below float32. */
const PRECISION_OF = { bf16: 'native', f16: 'webgpu' } as const satisfies Partial<
  Record<Precision, BackendName>
>;

/**
 * Opens a backend by name. Unlike `createBackend`, it opens `webgpu` and `wasm`, too.
 *
 * @param name default: `native`
 * @example
 * const backend = await openBackend('webgpu', { precision: 'f16' });
 *
 * @throws UsageError for an unknown name, or an option that the backend does not support.
 * @throws UserError, naming what to install, when kernels or a GPU are missing.
 */
export async function openBackend(
  name: BackendName | FormerBackendName = 'native',
  options: BackendOptions = {},
): Promise<Backend> {
  checkGpus(name, options);
  if (name !== 'webgpu' && name !== 'wasm') return createBackend(name, options);
  const precision = precisionFor(name, options);
  if (name === 'wasm') {
    const { openWasmBackend } = await import('./wasm/node-engine.ts');
    return openWasmBackend(options);
  }
  // Imported only here, as this loads the GPU driver.
  const { openNodeGpu, openNodeGpus } = await import('./webgpu/node-gpu.ts');
  const { createWebGpuBackend } = await import('./webgpu/webgpu-backend.ts');
  const format = precision === 'f16' ? 'f16' : 'fp32';
  const { gpus: asked, localRank: rank } = options;
  const isPlain = asked === undefined && (rank?.size ?? 1) === 1;
  if (isPlain) return createWebGpuBackend(await openNodeGpu(format));
  // Without `gpus`, each process on this machine has one.
  const opened = await openNodeGpus(format, { gpus: asked, rank });
  const gpus = asked === undefined ? opened.slice(0, 1) : opened;
  const [first, ...others] = await Promise.all(gpus.map(createWebGpuBackend));
  if (others.length === 0) return first!;
  const { GpuGroup } = await import('./webgpu/gpu-group.ts');
  return new GpuGroup([first!, ...others]);
}

/**
 * Creates a backend that runs on the CPU: `native`, or `reference`, which is slow and specifies the others.
 *
 * Where the native addon does not load, `native` is WebAssembly, and a note on stderr says so.
 *
 * @param name default: `native`
 * @example
 * const backend = createBackend('native', { threads: 4 });
 *
 * @throws UsageError for an unknown name, or an option that the backend does not support.
 * @throws UserError, naming what to install, when neither the native addon nor WebAssembly loads.
 */
export function createBackend(
  name: Exclude<BackendName, 'webgpu' | 'wasm'> | FormerBackendName = 'native',
  options: BackendOptions = {},
): Backend {
  const present = presentBackendName(name);
  switch (present) {
    case 'native': {
      const precision = precisionFor(present, options) === 'bf16' ? 'bf16' : 'fp32';
      const kernels = openKernels({ ...options, precision });
      noteFallback(kernels);
      return kernels.backend;
    }
    case 'reference':
      precisionFor(present, options);
      return createReferenceBackend();
    default:
      throw new UsageError(`unknown backend "${name}": choose one of ${backendNames.join(', ')}`);
  }
}

function checkGpus(name: string, { gpus }: BackendOptions): void {
  if (gpus === undefined || name === 'webgpu') return;
  throw new UsageError(`gpus works only with the backend webgpu, not with ${name}: choose it or omit gpus`);
}

/** @throws UsageError when the backend does not support the precision. */
function precisionFor(name: BackendName, { precision = 'fp32' }: BackendOptions): Precision {
  if (precision === 'fp32' || PRECISION_OF[precision] === name) return precision;
  throw new UsageError(
    `precision ${precision} works only with the ${PRECISION_OF[precision]} backend, not with ${name}: choose that backend or omit the precision`,
  );
}
