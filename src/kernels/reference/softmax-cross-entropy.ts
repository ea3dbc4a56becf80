/**
 * The objective: multinomial logistic regression (section 3.1). For logits z `[N, K]`, labels t `[N]`, weights w `[N]`
 * and label smoothing ε
 *
 *     p_k = exp(z_k − m) / Σ_j exp(z_j − m),   q_k = (1 − ε) [k = t] + ε / K,   m = max z
 *     loss = −w Σ_k q_k ln p_k = w · (m + ln Σ_j exp(z_j − m) − Σ_k q_k z_k)
 *
 * where the shift by m keeps exp from overflowing. The paper has w = 1 and ε = 0.
 */
import type { LabeledInput } from '../backend.ts';

/** @returns losses `[N]` in nats, and the gradient of their sum times `gradientScale`, `[N, K]`: scale · w · (p_k − q_k) */
export function softmaxCrossEntropy(
  logits: Float32Array,
  { labels, weights, labelSmoothing = 0 }: Omit<LabeledInput, 'input'>,
  gradientScale: number,
): { losses: Float32Array; gradient: Float32Array } {
  const classes = logits.length / labels.length;
  const losses = new Float32Array(labels.length);
  const gradient = new Float32Array(logits.length);
  labels.forEach((label, n) => {
    const z = logits.subarray(n * classes, (n + 1) * classes);
    const maximum = z.reduce((a, b) => Math.max(a, b), -Infinity);
    const exponentials = Float64Array.from(z, (value) => Math.exp(value - maximum));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    const weight = weights?.[n] ?? 1;
    const target = (k: number) => labelSmoothing / classes + (k === label ? 1 - labelSmoothing : 0);
    // Without smoothing, an infinite score of another class must not become NaN.
    const smoothed =
      labelSmoothing === 0 ? z[label]! : z.reduce((all, value, k) => all + target(k) * value, 0);
    losses[n] = weight * (maximum + Math.log(sum) - smoothed);
    exponentials.forEach((exponential, k) => {
      gradient[n * classes + k] = gradientScale * weight * (exponential / sum - target(k));
    });
  });
  return { losses, gradient };
}
