/**
 * The objective: multinomial logistic regression (section 3.1). For logits z `[N, classes]` and labels t `[N]`
 *
 *     p_k = exp(z_k − m) / Σ_j exp(z_j − m),   loss = −ln p_t = m + ln Σ_j exp(z_j − m) − z_t,   m = max z
 *
 * where the shift by m keeps exp from overflowing.
 */

/** @returns losses `[N]` in nats, and the gradient of their sum times `gradientScale`, `[N, classes]`: scale · (p_k − [k = t]) */
export function softmaxCrossEntropy(
  logits: Float32Array,
  labels: Int32Array,
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
    losses[n] = maximum + Math.log(sum) - z[label]!;
    exponentials.forEach((exponential, k) => {
      gradient[n * classes + k] = gradientScale * (exponential / sum - (k === label ? 1 : 0));
    });
  });
  return { losses, gradient };
}
