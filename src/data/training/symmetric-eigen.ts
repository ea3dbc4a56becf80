/** Computes eigenvalues and eigenvectors of symmetric 3×3 matrices by Jacobi rotations. */
import type { Rgb } from '../../core/shape.ts';

/** `m[row][column]`, symmetric. */
export type Matrix3 = readonly [Rgb, Rgb, Rgb];

/** Eigenvalues, the largest first, and their unit eigenvectors, whose largest component is positive. */
export function symmetricEigen(matrix: Matrix3): { values: Rgb; vectors: Matrix3 } {
  const a = matrix.map((row) => [...row]);
  // Column i of v becomes the eigenvector of a[i][i].
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  // Convergence is quadratic: 3×3 matrices need about five sweeps to the last bit.
  for (let sweep = 0; sweep < 20; sweep++) {
    rotate(a, v, 0, 1);
    rotate(a, v, 0, 2);
    rotate(a, v, 1, 2);
  }
  const axes = [0, 1, 2].map((i) => ({ value: a[i]![i]!, vector: oriented(v.map((row) => row[i]!)) }));
  axes.sort((p, q) => q.value - p.value);
  return {
    values: axes.map((axis) => axis.value) as unknown as Rgb,
    vectors: axes.map((axis) => axis.vector) as unknown as Matrix3,
  };
}

/** One rotation in the plane (p, q) that makes a[p][q] zero: a ← JᵀaJ, v ← vJ. */
function rotate(a: number[][], v: number[][], p: number, q: number): void {
  const off = a[p]![q]!;
  if (off === 0) return;
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * off);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  const turn = (m: number[][], i: number, j: number, k: number, l: number): void => {
    const first = m[i]![j]!;
    const second = m[k]![l]!;
    m[i]![j] = c * first - s * second;
    m[k]![l] = s * first + c * second;
  };
  for (let row = 0; row < 3; row++) turn(a, row, p, row, q);
  for (let column = 0; column < 3; column++) turn(a, p, column, q, column);
  for (let row = 0; row < 3; row++) turn(v, row, p, row, q);
}

/** Of the eigenvectors v and −v, the one whose largest component is positive. */
function oriented(vector: number[]): Rgb {
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
  return (largest < 0 ? vector.map((x) => -x) : vector) as unknown as Rgb;
}
