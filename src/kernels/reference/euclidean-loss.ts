/**
 * The objective of localization (appendix A). For outputs o `[N, K]`, k targets τ `[N, k]`, labels t `[N]` and weights w `[N]`
 *
 *     loss = w / 2 · Σ_j (o_{t·k + j} − τ_j)²
 *
 * so that one label has k outputs, and those of other labels have no gradient.
 */
import type { LabeledInput } from '../backend.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';

interface Loss {
  /** `[N]` */
  readonly losses: Float32Array;
  /** Of their sum times the gradient scale, `[N, K]`. */
  readonly gradient: Float32Array;
}

/** The loss that a batch asks for: Euclidean if it has targets, otherwise soft-max cross-entropy. */
export function lossOf(
  output: Float32Array,
  { targets, ...batch }: Omit<LabeledInput, 'input'>,
  gradientScale: number,
): Loss {
  return targets
    ? euclideanLoss(output, { ...batch, targets }, gradientScale)
    : softmaxCrossEntropy(output, batch, gradientScale);
}

function euclideanLoss(
  output: Float32Array,
  { labels, weights, targets }: Omit<LabeledInput, 'input'> & { readonly targets: Float32Array },
  gradientScale: number,
): Loss {
  const outputs = output.length / labels.length;
  const count = targets.length / labels.length;
  const losses = new Float32Array(labels.length);
  const gradient = new Float32Array(output.length);
  labels.forEach((label, n) => {
    const first = n * outputs + label * count;
    const weight = weights?.[n] ?? 1;
    let sum = 0;
    for (let j = 0; j < count; j++) {
      const difference = output[first + j]! - targets[n * count + j]!;
      sum += difference ** 2;
      gradient[first + j] = gradientScale * weight * difference;
    }
    losses[n] = (weight / 2) * sum;
  });
  return { losses, gradient };
}
