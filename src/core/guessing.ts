/** How far guessing gets: what a model has to beat. */

/** Fraction of wrong answers when every answer is the commonest class. @param counts images of each class */
export function guessingError(counts: readonly number[]): number {
  return 1 - Math.max(...counts) / counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The lowest loss of an output that does not depend on the image, in nats: the entropy of the classes, ln(classes) if all
 * are equally frequent.
 */
export function guessingLoss(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce(
    (sum, count) => (count > 0 ? sum - (count / total) * Math.log(count / total) : sum),
    0,
  );
}

/**
 * A warning when a model's error is no lower than that of guessing.
 * @param counts evaluated images of each class
 * @returns undefined for a lower error, and when all images have the same class
 */
export function guessingWarning(top1Error: number, counts: readonly number[]): string | undefined {
  const guessing = guessingError(counts);
  if (!(top1Error >= guessing) || guessing === 0) return undefined;
  const percent = (error: number) => `${(100 * error).toFixed(1)} %`;
  return `the error of ${percent(top1Error)} is no lower than that of always naming the commonest class, ${percent(guessing)}`;
}

/** 1.96: 95 % of a normal distribution lie within so many standard deviations. */
const Z = 1.959963984540054;

/**
 * The 95 % interval of an error that was measured on some images: Wilson's score interval (1927), which stays between 0
 * and 1 and holds for few images and for errors near 0.
 * @param error fraction
 */
export function errorInterval(error: number, images: number): readonly [low: number, high: number] {
  const share = Z ** 2 / images;
  const center = error + share / 2;
  const spread = Z * Math.sqrt((error * (1 - error) + share / 4) / images);
  return [Math.max(0, (center - spread) / (1 + share)), Math.min(1, (center + spread) / (1 + share))];
}
