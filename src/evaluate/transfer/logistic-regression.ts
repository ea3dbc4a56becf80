/**
 * Logistic regression of one class against the rest, by dual coordinate descent as in LIBLINEAR (Yu, Huang and Lin, "Dual
 * Coordinate Descent Methods for Logistic Regression and Maximum Entropy Models", Machine Learning 2011, algorithm 5):
 * each vector has two dual variables that add up to C, and a modified Newton method solves for one of them.
 */
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';
import { dot, type LinearOptions, type LinearProblem } from './linear-problem.ts';

const NEWTON_STEPS = 100;
/** A step that would leave the open interval from 0 to C goes to this share of the variable instead. */
const SHRINKING = 0.1;

export function trainLogistic(
  { vectors, targets, classes }: LinearProblem,
  k: number,
  { constant: C = 1, tolerance = 1e-3, passes = 1000, seed = 1 }: LinearOptions,
): { weight: Float64Array; bias: number } {
  const used = vectors.map((_, i) => i).filter((i) => targets[i * classes + k] !== 0);
  const weight = new Float64Array(vectors[0]?.length ?? 0);
  let bias = 0;
  const add = (x: Float32Array, step: number) => {
    for (let d = 0; d < x.length; d++) weight[d]! += step * x[d]!;
    bias += step;
  };
  const start = Math.min(0.001 * C, 1e-8);
  /** The two variables of each vector: of the loss, and C minus that. */
  const alphas = used.map((): [number, number] => [start, C - start]);
  for (const i of used) add(vectors[i]!, targets[i * classes + k]! * start);
  const squares = used.map((i) => 1 + dot(vectors[i]!, vectors[i]!));
  for (let pass = 0; pass < passes; pass++) {
    let most = 0;
    for (const at of permutation(used.length, deriveKeys(keyOfSeed(seed), 'logistic', k, pass))) {
      const x = vectors[used[at]!]!;
      const y = targets[used[at]! * classes + k]!;
      const margin = y * (dot(weight, x) + bias);
      const pair = alphas[at]!;
      // The variable that ends in the lower half of the interval, where its logarithm is exact.
      const which = 0.5 * squares[at]! * (pair[1] - pair[0]) + margin < 0 ? 1 : 0;
      const sign = which === 0 ? 1 : -1;
      const old = pair[which];
      const { value, gradient } = minimize({ old, square: squares[at]!, slope: sign * margin, C, tolerance });
      most = Math.max(most, gradient);
      pair[which] = value;
      pair[(1 - which) as 0 | 1] = C - value;
      add(x, sign * (value - old) * y);
    }
    if (most <= tolerance) break;
  }
  return { weight, bias };
}

interface OneVariable {
  readonly old: number;
  readonly square: number;
  readonly slope: number;
  readonly C: number;
  readonly tolerance: number;
}

/**
 * Minimizes z ln z + (C − z) ln(C − z) + square / 2 · (z − old)² + slope · (z − old) over 0 < z < C.
 * @returns z, and how large the derivative was before the first step
 */
function minimize({ old, square, slope, C, tolerance }: OneVariable): { value: number; gradient: number } {
  let z = C - old < 0.5 * C ? SHRINKING * old : old;
  const derivative = () => square * (z - old) + slope + Math.log(z / (C - z));
  const gradient = Math.abs(slope + Math.log(old / (C - old)));
  let current = derivative();
  for (let step = 0; step < NEWTON_STEPS && Math.abs(current) >= Math.min(1e-8, tolerance); step++) {
    const next = z - current / (square + C / (C - z) / z);
    z = next <= 0 ? SHRINKING * z : Math.min(next, C * (1 - 1e-15));
    current = derivative();
  }
  return { value: z, gradient };
}
