/** Processes that share a task, for code that must not depend on the communicators. */
export interface Team {
  /** The number of this process, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Returns the values of all ranks, in rank order, to every rank. Values must survive JSON. */
  gather<T>(value: T): Promise<T[]>;
}

/** A team of one. */
export const alone: Team = { rank: 0, size: 1, gather: async (value) => [value] };

/** Returns rank 0's value to all ranks; the other ranks' values are ignored. */
export async function fromFirst<T>(team: Team, value: T): Promise<T> {
  return (await team.gather(team.rank === 0 ? value : null))[0] as T;
}

/** Gradients are exchanged in buckets of at most this many values: few enough that the first ones are sent early. */
const LARGEST_BUCKET = 4 * 2 ** 20;
const SMALLEST_BUCKET = 16 * 2 ** 10;
/** The number of buckets if buckets of the largest size would be fewer. */
const USUAL_BUCKETS = 16;

/** Values in each bucket. @param gradients of the whole network */
export function bucketLength(gradients: number): number {
  return Math.min(LARGEST_BUCKET, Math.max(SMALLEST_BUCKET, Math.ceil(gradients / USUAL_BUCKETS)));
}

/** The range `[start, end)` of `count` items that a rank takes. Each item belongs to exactly one rank. */
export function shareOf(count: number, { rank, size }: Pick<Team, 'rank' | 'size'>): [number, number] {
  return [Math.floor((count * rank) / size), Math.floor((count * (rank + 1)) / size)];
}
