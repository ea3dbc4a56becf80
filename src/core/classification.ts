/** Rank of the true class: the number of other classes that score at least as high (0: top-1). Ties count as errors. */
export function rankOfLabel(scores: Float32Array, label: number): number {
  const own = scores[label]!;
  let rank = 0;
  for (let c = 0; c < scores.length; c++) {
    // A score of NaN also ranks above, so that it never counts as a hit.
    if (c !== label && !(scores[c]! < own)) rank++;
  }
  return rank;
}

/** Exact counts over the images seen so far. */
export interface ClassificationCounts {
  images: number;
  top1Errors: number;
  top5Errors: number;
  lossSum: number;
}

export function noCounts(): ClassificationCounts {
  return { images: 0, top1Errors: 0, top5Errors: 0, lossSum: 0 };
}

/** Counts one image. @param loss in nats */
export function countImage(
  counts: ClassificationCounts,
  scores: Float32Array,
  label: number,
  loss: number,
): void {
  const rank = rankOfLabel(scores, label);
  counts.images++;
  counts.top1Errors += Number(rank >= 1);
  counts.top5Errors += Number(rank >= 5);
  counts.lossSum += loss;
}

export function addCounts(a: ClassificationCounts, b: ClassificationCounts): ClassificationCounts {
  return {
    images: a.images + b.images,
    top1Errors: a.top1Errors + b.top1Errors,
    top5Errors: a.top5Errors + b.top5Errors,
    lossSum: a.lossSum + b.lossSum,
  };
}

/** Whether some class has more than twice as many images as another, so that the mean class error is worth showing. */
export function isUnbalanced(imagesByClass: readonly number[]): boolean {
  const counts = imagesByClass.filter((images) => images > 0);
  return Math.max(...counts) > 2 * Math.min(...counts);
}
