import { UsageError } from './errors.ts';

/** S, the smaller side that training images are rescaled to: fixed (min = max) or drawn from [min, max] (paper, 3.1). */
export interface TrainScale {
  /** In pixels. */
  readonly min: number;
  /** In pixels. */
  readonly max: number;
}

/**
 * Parses `256` or `256..512`.
 * @throws UsageError for anything else.
 */
export function parseTrainScale(text: string | number): TrainScale {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(String(text).trim());
  const min = Number(match?.[1]);
  const max = Number(match?.[2] ?? match?.[1]);
  if (!match || min < 1 || max < min) {
    throw new UsageError(
      `"${text}" is not a scale; give a number of pixels such as 256 or a range such as 256..512`,
    );
  }
  return { min, max };
}

/** `256` or `256..512` */
export function formatTrainScale({ min, max }: TrainScale): string {
  return min === max ? String(min) : `${min}..${max}`;
}

/** The single test scale for a training scale: Q = S, or 0.5 (Smin + Smax) (paper, 4.1). */
export function testScaleFor({ min, max }: TrainScale): number {
  return Math.round((min + max) / 2);
}
