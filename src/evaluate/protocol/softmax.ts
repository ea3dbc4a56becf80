/** Class posteriors p_c = exp(z_c) / Σ exp(z_j), shifted by the largest logit so that nothing overflows. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < logits.length; c++) largest = Math.max(largest, logits[c]!);
  const posteriors = new Float64Array(logits.length);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += posteriors[c] = Math.exp(logits[c]! - largest);
  for (let c = 0; c < logits.length; c++) posteriors[c]! /= sum;
  return posteriors;
}

/**
 * The mean of posteriors: over mirror images, crops, scales, protocols or networks.
 * @param posteriors at least one, all of the same length
 */
export function meanOf(posteriors: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(posteriors[0]!.length);
  for (const one of posteriors) for (let c = 0; c < mean.length; c++) mean[c]! += one[c]!;
  for (let c = 0; c < mean.length; c++) mean[c]! /= posteriors.length;
  return mean;
}

/** A class and its probability. */
export interface RankedClass {
  /** Number of the class, from 0. */
  readonly index: number;
  readonly probability: number;
}

/** The `count` most probable classes, best first; ties go to the lower class number. */
export function topClasses(posteriors: ArrayLike<number>, count: number): RankedClass[] {
  const top: RankedClass[] = [];
  for (let index = 0; index < posteriors.length; index++) {
    const probability = posteriors[index]!;
    let rank = top.length;
    while (rank > 0 && probability > top[rank - 1]!.probability) rank--;
    if (rank >= count) continue;
    top.splice(rank, 0, { index, probability });
    if (top.length > count) top.pop();
  }
  return top;
}
