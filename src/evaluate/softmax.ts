/** Class posteriors p_c = exp(z_c) / Σ exp(z_j), shifted by the largest logit so that nothing overflows. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < logits.length; c++) largest = Math.max(largest, logits[c]!);
  const posteriors = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = posteriors.reduce((total, value) => total + value, 0);
  return posteriors.map((value) => value / sum);
}

/** The mean of posteriors: of flips, crops, scales, protocols and networks. @param posteriors at least one, of one length */
export function meanOf(posteriors: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(posteriors[0]!.length);
  for (const one of posteriors) for (let c = 0; c < mean.length; c++) mean[c]! += one[c]!;
  return mean.map((sum) => sum / posteriors.length);
}

export interface RankedClass {
  readonly index: number;
  readonly probability: number;
}

/** The `count` most probable classes, best first; the lower number first among equals. */
export function topClasses(posteriors: ArrayLike<number>, count: number): RankedClass[] {
  return Array.from(posteriors, (probability, index) => ({ index, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, count);
}
