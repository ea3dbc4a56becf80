/** Class posteriors p_c = exp(z_c) / Σ exp(z_j), shifted by the largest logit so that nothing overflows. */
export function softmax(logits: Float32Array): Float32Array {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const posteriors = logits.map((logit) => Math.exp(logit - largest));
  const sum = posteriors.reduce((total, value) => total + value, 0);
  return posteriors.map((value) => value / sum);
}

export interface RankedClass {
  readonly index: number;
  readonly probability: number;
}

/** The `count` most probable classes, best first; the lower number first among equals. */
export function topClasses(posteriors: Float32Array, count: number): RankedClass[] {
  return Array.from(posteriors, (probability, index) => ({ index, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, count);
}
