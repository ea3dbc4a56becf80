/** The choices that name a backend and how it computes. Free of Node's modules, as browsers read recipes too. */

/** All backends, the default first. */
export const backendNames = ['native', 'webgpu', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

/** Whose kernels the backend `native` runs 3×3 convolutions with: this project's, or oneDNN's for comparison. */
export const kernelChoices = ['own', 'onednn'] as const;
export type KernelChoice = (typeof kernelChoices)[number];

/**
 * The number format of the multiplications. Sums are in float32 in every case. `bf16` is for inference with the backend
 * `native`, `f16` for the backend `webgpu`.
 */
export const precisions = ['fp32', 'bf16', 'f16'] as const;
export type Precision = (typeof precisions)[number];

export interface BackendOptions {
  /** Threads that compute. Default: one for each core that this process may use. */
  readonly threads?: number;
  /** Only for the backend `native`. Default: `own`. */
  readonly kernels?: KernelChoice;
  /** Default: `fp32`. */
  readonly precision?: Precision;
}

/** The name that `native` had before version 0.2.0. */
export type FormerBackendName = 'onednn';

let noted = false;

/** Replaces a backend's former name by its present one, with a note on stderr, once. */
export function presentBackendName<Name>(name: Name): Exclude<Name, FormerBackendName> | 'native' {
  if (name !== ('onednn' satisfies FormerBackendName)) return name as Exclude<Name, FormerBackendName>;
  if (!noted) console.warn('The backend "onednn" is now called "native". The old name still works.');
  noted = true;
  return 'native';
}
