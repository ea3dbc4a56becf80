/** Options that select and configure a backend. No Node modules are imported, as browsers read recipes, too. */

/** All backends, the default first. */
export const backendNames = ['native', 'wasm', 'webgpu', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

/**
 * The number format of the multiplications. Sums are always in float32. `bf16` works for inference with the backend
 * `native`, `f16` with the backend `webgpu`.
 */
export const precisions = ['fp32', 'bf16', 'f16'] as const;
export type Precision = (typeof precisions)[number];

export interface BackendOptions {
  /** Number of compute threads. Default: one for each core that this process may use. */
  readonly threads?: number;
  /** Default: `fp32`. */
  readonly precision?: Precision;
  /**
   * The GPUs of the backend `webgpu`: `all`, a number of GPUs (`4`), their numbers (`0,2`, or `device=1` for one), or part
   * of a name. Several share each batch. Default: the fastest one.
   */
  readonly gpus?: string;
  /** This process among those on this machine that share its GPUs. Default: it is alone. */
  readonly localRank?: { readonly rank: number; readonly size: number };
}

/** The name of `native` before version 0.2.0. */
export type FormerBackendName = 'onednn';

let noted = false;

/** Replaces a backend's former name by its current one. The first time, it prints a note to stderr. */
export function presentBackendName<Name>(name: Name): Exclude<Name, FormerBackendName> | 'native' {
  if (name !== ('onednn' satisfies FormerBackendName)) return name as Exclude<Name, FormerBackendName>;
  if (!noted) console.warn('The backend "onednn" is now called "native". The old name still works.');
  noted = true;
  return 'native';
}
