/** What a transferred classifier is measured by: accuracy, mean class recall, mean average precision (appendix B). */
import { deriveKeys, keyOfSeed, RandomStream } from '../../core/random.ts';

/** Scores `[N × K]`, and for each 1 (the image has the class), −1 (it has not) or 0 (it does not count). */
export interface Scored {
  readonly scores: Float64Array;
  readonly targets: Int8Array;
  readonly classes: number;
}

/** A fraction with its 95 % interval. */
export interface Measured {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
}

/** Class of the highest score, and the true class, for each image. */
export function decisions({ scores, targets, classes }: Scored): { predicted: number; label: number }[] {
  return Array.from({ length: scores.length / classes }, (_, n) => {
    const own = scores.subarray(n * classes, (n + 1) * classes);
    return {
      predicted: own.indexOf(own.reduce((a, b) => Math.max(a, b), -Infinity)),
      label: targets.subarray(n * classes, (n + 1) * classes).indexOf(1),
    };
  });
}

/** The mean over the classes that occur of the share of their images that are recognized. */
export function meanClassRecall(all: readonly { predicted: number; label: number }[]): number {
  const right = new Map<number, number>();
  const count = new Map<number, number>();
  for (const { predicted, label } of all) {
    count.set(label, (count.get(label) ?? 0) + 1);
    if (predicted === label) right.set(label, (right.get(label) ?? 0) + 1);
  }
  return [...count].reduce((sum, [label, images]) => sum + (right.get(label) ?? 0) / images, 0) / count.size;
}

/** `eleven-point`: VOC 2007's mean of the precision at recalls 0, 0.1, …, 1; `all-point`: the area, as from VOC 2010. */
export type PrecisionRule = 'eleven-point' | 'all-point';

/**
 * The average precision of one class. At each recall, the precision is the highest at this recall or above. Images of
 * equal score count together.
 * @param images their scores, and whether they have the class
 * @returns NaN if no image has the class
 */
export function averagePrecision(
  images: readonly { readonly score: number; readonly isPositive: boolean }[],
  rule: PrecisionRule,
): number {
  const ranked = [...images].sort((a, b) => b.score - a.score);
  const positives = ranked.filter(({ isPositive }) => isPositive).length;
  const curve: { recall: number; precision: number }[] = [];
  let found = 0;
  for (const [i, { score, isPositive }] of ranked.entries()) {
    if (isPositive) found++;
    if (ranked[i + 1]?.score === score) continue;
    curve.push({ recall: found / positives, precision: found / (i + 1) });
  }
  for (let i = curve.length - 2; i >= 0; i--) {
    curve[i]!.precision = Math.max(curve[i]!.precision, curve[i + 1]!.precision);
  }
  if (positives === 0) return Number.NaN;
  if (rule === 'all-point') {
    return curve.reduce(
      (area, { recall, precision }, i) => area + (recall - (curve[i - 1]?.recall ?? 0)) * precision,
      0,
    );
  }
  // Tenths are not exact, and neither are quotients.
  const at = (tenth: number) => curve.find(({ recall }) => recall >= tenth / 10 - 1e-12)?.precision ?? 0;
  return Array.from({ length: 11 }, (_, tenth) => at(tenth)).reduce((a, b) => a + b) / 11;
}

/** The mean over the classes of which there are images. @param chosen numbers of images (default: all) */
export function meanAveragePrecision(
  { scores, targets, classes }: Scored,
  rule: PrecisionRule,
  chosen: readonly number[] = [...Array(scores.length / classes).keys()],
): number {
  const each = Array.from({ length: classes }, (_, k) =>
    averagePrecision(
      chosen
        .map((n) => ({ score: scores[n * classes + k]!, target: targets[n * classes + k]! }))
        .filter(({ target }) => target !== 0)
        .map(({ score, target }) => ({ score, isPositive: target > 0 })),
      rule,
    ),
  ).filter((value) => !Number.isNaN(value));
  return each.reduce((a, b) => a + b, 0) / each.length;
}

/**
 * A figure with its 95 % interval by the percentile bootstrap.
 * @param groups images that are resampled among each other: those of a class, or all
 * @param figure of some images, some of them several times
 */
export function bootstrapped(
  groups: readonly (readonly number[])[],
  figure: (images: readonly number[]) => number,
  resamples = 1000,
): Measured {
  const random = new RandomStream(deriveKeys(keyOfSeed(1), 'transfer', 'bootstrap'));
  const figures = Float64Array.from({ length: resamples }, () =>
    figure(groups.flatMap((group) => group.map(() => group[random.below(group.length)]!))),
  ).sort();
  const at = (share: number) => figures[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return { value: figure(groups.flat()), interval: [at(0.025), at(0.975)] };
}
