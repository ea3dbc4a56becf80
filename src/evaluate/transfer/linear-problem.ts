/** What linear classifiers are trained on, and how. */

/** What separates a class from the rest. */
export const linearKinds = ['svm', 'logistic'] as const;
export type LinearKind = (typeof linearKinds)[number];

/** Vectors `[N, D]`, and for each class of each vector 1 (yes), −1 (no) or 0 (not to be used): `[N, K]`. */
export interface LinearProblem {
  /** `[N][D]` */
  readonly vectors: readonly Float32Array[];
  /** `[N × K]`, row by row. */
  readonly targets: Int8Array;
  readonly classes: number;
}

export interface LinearOptions {
  /** A support vector machine (default), or logistic regression. */
  readonly kind?: LinearKind;
  /** The constant C: the weight of the loss against that of a small w (default 1). */
  readonly constant?: number;
  /** Stops when no projected gradient differs from another by more (default 1e-3). */
  readonly tolerance?: number;
  /** Most passes over the vectors for each class (default 1000). */
  readonly passes?: number;
  /** Seed of the order of the vectors (default 1). */
  readonly seed?: number;
}

export function dot(a: Float32Array | Float64Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < b.length; d++) sum += a[d]! * b[d]!;
  return sum;
}
