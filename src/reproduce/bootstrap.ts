/** Confidence intervals for the difference between two error rates on the same images. */
import { type Key, RandomStream } from '../core/random.ts';

export interface Difference {
  /** The second model's error minus the first's. */
  readonly difference: number;
  /** Ends of the 95 % confidence interval. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/**
 * The paired bootstrap (Efron & Tibshirani 1993, chapter 16): images are drawn with replacement, and both models are
 * evaluated on the same draw. The interval holds the middle 95 % of the differences.
 * @param first,second for each image whether it was an error, in the same order
 * @throws RangeError when their lengths differ or are 0.
 */
export function pairedBootstrap(first: readonly boolean[], second: readonly boolean[], key: Key): Difference {
  if (first.length !== second.length || first.length === 0) {
    throw new RangeError(`the images must be paired, not ${first.length} and ${second.length}`);
  }
  const differences = first.map((error, i) => Number(second[i]) - Number(error));
  const changed = differences.filter((difference) => difference !== 0);
  if (changed.length === 0) return { difference: 0, low: 0, high: 0 };
  const random = new RandomStream(key);
  const draws = Float64Array.from({ length: RESAMPLES }, () =>
    resample(changed, first.length, random),
  ).sort();
  const rank = (share: number) => draws[Math.round(share * (RESAMPLES - 1))]!;
  const sum = changed.reduce((total, difference) => total + difference, 0);
  return { difference: sum / first.length, low: rank(0.025), high: rank(0.975) };
}

/**
 * The mean difference over `count` images drawn with replacement. Only draws of an image on which the models differ
 * matter. The number of draws between two of those is geometrically distributed, so the rest are skipped.
 */
function resample(changed: readonly number[], count: number, random: RandomStream): number {
  const logOfMiss = Math.log(1 - changed.length / count);
  let sum = 0;
  for (let draw = gap(logOfMiss, random); draw < count; draw += 1 + gap(logOfMiss, random)) {
    sum += changed[random.below(changed.length)]!;
  }
  return sum / count;
}

/** The number of draws that miss before one hits. */
function gap(logOfMiss: number, random: RandomStream): number {
  return Math.floor(Math.log(1 - random.uniform()) / logOfMiss);
}
