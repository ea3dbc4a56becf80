/** Confidence intervals for the difference between two error rates, over the same images and over training seeds. */
import { type Key, RandomStream } from '../core/random.ts';
import { deviationOf, meanOf } from '../core/statistics.ts';

/** For each seed of the training, for each image, whether it was an error. */
export type ErrorsBySeed = readonly (readonly boolean[])[];

export interface Difference {
  /** The second model's error minus the first's, the mean over the seeds. */
  readonly difference: number;
  /** Ends of the 95 % confidence interval. */
  readonly low: number;
  readonly high: number;
  /** Number of seeds; with one, the interval does not include the variance of training. */
  readonly seeds: number;
  /** Standard deviation of the difference between seeds; absent with one seed. */
  readonly seedDeviation?: number;
  /** Standard error of the difference from the choice of the images alone. */
  readonly imageError: number;
}

const RESAMPLES = 2000;

/**
 * A bootstrap over images and seeds, which are crossed: every seed is tested on the same images. Each draw is the mean
 * over images drawn with replacement (the paired bootstrap; Efron & Tibshirani 1993, chapter 16), moved by the mean of as
 * many seeds. Both factors are drawn independently (the pigeonhole bootstrap; Owen, "The pigeonhole bootstrap", Annals of
 * Applied Statistics 1, 2007). Two or three seeds drawn with replacement would give intervals that are far too
 * narrow, so the mean of the seeds is drawn from Student's distribution instead, with the standard deviation that
 * the seeds show and one degree of freedom fewer than there are seeds (a parametric bootstrap of the upper level; Davison &
 * Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). The interval holds the middle 95 % of the draws.
 * @param first,second errors `[seeds, images]`, in the same order of seeds and of images
 * @throws RangeError when their lengths differ or are 0.
 * @example
 * const { low, high } = pairedBootstrap([[true, false]], [[false, false]], keyOfSeed(1));
 */
export function pairedBootstrap(first: ErrorsBySeed, second: ErrorsBySeed, key: Key): Difference {
  const differences = pairedDifferences(first, second);
  const seeds = differences.length;
  const images = differences[0]!.length;
  const means = differences.map(meanOf);
  const ofImages = Array.from({ length: images }, (_, image) =>
    meanOf(differences.map((one) => one[image]!)),
  );
  const difference = meanOf(means);
  const seedDeviation = seeds > 1 ? deviationOf(means) : undefined;
  const imageError = images > 1 ? deviationOf(ofImages) / Math.sqrt(images) : 0;
  const changed = ofImages.filter((one) => one !== 0);
  const random = new RandomStream(key);
  const draws = Float64Array.from({ length: RESAMPLES }, () => {
    const drawn = changed.length === 0 ? 0 : resample(changed, images, random);
    return seedDeviation === undefined
      ? drawn
      : drawn + (seedDeviation / Math.sqrt(seeds)) * student(seeds - 1, random);
  }).sort();
  const rank = (share: number) => draws[Math.round(share * (RESAMPLES - 1))]!;
  return { difference, low: rank(0.025), high: rank(0.975), seeds, seedDeviation, imageError };
}

/** The second error minus the first, `[seeds, images]`. */
function pairedDifferences(first: ErrorsBySeed, second: ErrorsBySeed): number[][] {
  const sizes = [...first, ...second].map(({ length }) => length);
  if (first.length !== second.length || first.length === 0 || new Set(sizes).size !== 1 || sizes[0] === 0) {
    throw new RangeError(
      `seeds and images must be paired, not [${first.length}] and [${second.length}] of ${sizes}`,
    );
  }
  return first.map((errors, seed) => errors.map((error, i) => Number(second[seed]![i]) - Number(error)));
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

/** A number from Student's distribution: a normal one, divided by the root of a mean of squares of others. */
function student(freedom: number, random: RandomStream): number {
  const numerator = random.normal();
  let squares = 0;
  for (let i = 0; i < freedom; i++) squares += random.normal() ** 2;
  return numerator / Math.sqrt(squares / freedom);
}

/** More seeds than anybody trains. */
const MOST_SEEDS = 100;

/**
 * The number of seeds with which the interval would lie on one side of a limit, if the difference and the deviations stay
 * what they are.
 * @param limit the difference that decides, as a fraction
 * @returns undefined with one seed, whose deviation is unknown; Infinity if no number up to 100 would do, because more test
 *   images are needed, or the nets are alike
 */
export function seedsToDecide(
  { difference, seedDeviation, imageError }: Difference,
  limit: number,
): number | undefined {
  if (seedDeviation === undefined) return undefined;
  const distance = Math.abs(difference - limit);
  for (let seeds = 2; seeds <= MOST_SEEDS; seeds++) {
    const ofSeeds = (studentQuantile(seeds - 1) * seedDeviation) / Math.sqrt(seeds);
    if (Math.hypot(ofSeeds, 1.96 * imageError) < distance) return seeds;
  }
  return Infinity;
}

/** 97.5 % quantiles of Student's distribution for 1, 2, … degrees of freedom. */
const QUANTILES = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Beyond the table, the expansion of Abramowitz & Stegun 26.7.5 to its second term. */
function studentQuantile(freedom: number): number {
  return QUANTILES[freedom - 1] ?? 1.96 + 2.3723 / freedom + 2.8225 / freedom ** 2;
}
