/**
 * Linear support vector machines, one class against the rest (paper, appendix B), with squared hinge loss:
 *
 *     min over w, b of  ½ (|w|² + b²) + C Σ_i max(0, 1 − y_i (w · x_i + b))²
 *
 * the problem of LIBLINEAR and scikit-learn's LinearSVC, solved by dual coordinate descent (Hsieh et al., "A Dual
 * Coordinate Descent Method for Large-scale Linear SVM", ICML 2008, algorithm 1). Logistic regression has the loss
 * ln(1 + exp(−y_i (w · x_i + b))) instead (logistic-regression.ts).
 */
import { deriveKeys, keyOfSeed, permutation } from '../../core/random.ts';
import { dot, type LinearOptions, type LinearProblem } from './linear-problem.ts';
import { trainLogistic } from './logistic-regression.ts';

/** Scores are `weights · x + biases`. */
export interface LinearClassifier {
  /** `[K][D]` */
  readonly weights: readonly Float64Array[];
  /** `[K]` */
  readonly biases: Float64Array;
}

/**
 * Trains a linear classifier for each class against the rest.
 * @throws RangeError when the vectors differ in length or the targets do not fit them.
 * @example
 * const vectors = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
 * const { weights } = trainLinear({ vectors, targets: Int8Array.of(1, -1, -1, 1), classes: 2 }, { constant: 10 });
 */
export function trainLinear(problem: LinearProblem, options: LinearOptions = {}): LinearClassifier {
  const { vectors, targets, classes } = problem;
  const length = vectors[0]?.length ?? 0;
  if (vectors.some((vector) => vector.length !== length) || targets.length !== vectors.length * classes) {
    throw new RangeError(
      `trainLinear needs vectors of one length and ${vectors.length} × ${classes} targets`,
    );
  }
  const biases = new Float64Array(classes);
  const weights = Array.from({ length: classes }, (_, k) => {
    const { weight, bias } = (options.kind === 'logistic' ? trainLogistic : trainClass)(problem, k, options);
    biases[k] = bias;
    return weight;
  });
  return { weights, biases };
}

function trainClass({ vectors, targets, classes }: LinearProblem, k: number, options: LinearOptions) {
  const { constant = 1, tolerance = 1e-3, passes = 1000, seed = 1 } = options;
  const used = vectors.map((_, i) => i).filter((i) => targets[i * classes + k] !== 0);
  const weight = new Float64Array(vectors[0]?.length ?? 0);
  let bias = 0;
  const alphas = new Float64Array(used.length);
  const diagonal = 1 / (2 * constant);
  const squares = used.map((i) => 1 + dot(vectors[i]!, vectors[i]!) + diagonal);
  for (let pass = 0; pass < passes; pass++) {
    let [least, most] = [Infinity, -Infinity];
    for (const at of permutation(used.length, deriveKeys(keyOfSeed(seed), 'svm', k, pass))) {
      const i = used[at]!;
      const y = targets[i * classes + k]!;
      const x = vectors[i]!;
      const alpha = alphas[at]!;
      const gradient = y * (dot(weight, x) + bias) - 1 + diagonal * alpha;
      const projected = alpha === 0 ? Math.min(0, gradient) : gradient;
      least = Math.min(least, projected);
      most = Math.max(most, projected);
      if (Math.abs(projected) < 1e-12) continue;
      alphas[at] = Math.max(0, alpha - gradient / squares[at]!);
      const step = y * (alphas[at]! - alpha);
      for (let d = 0; d < x.length; d++) weight[d]! += step * x[d]!;
      bias += step;
    }
    if (most - least <= tolerance) break;
  }
  return { weight, bias };
}

/** The scores of some vectors: `[N × K]`, row by row. */
export function linearScores(
  { weights, biases }: LinearClassifier,
  vectors: readonly Float32Array[],
): Float64Array {
  const classes = weights.length;
  const scores = new Float64Array(vectors.length * classes);
  for (const [n, vector] of vectors.entries())
    for (const [k, weight] of weights.entries()) scores[n * classes + k] = dot(weight, vector) + biases[k]!;
  return scores;
}
