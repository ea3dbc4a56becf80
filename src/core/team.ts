/** Processes that do one thing together, each a part: what the layers below the communicators need to know of them. */
export interface Team {
  /** This process, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Gives every rank the values of all, in their order. A value must survive JSON. */
  gather<T>(value: T): Promise<T[]>;
}

/** A team of one. */
export const alone: Team = { rank: 0, size: 1, gather: async (value) => [value] };

/** What rank 0 has, for everybody; the others' values do not count. */
export async function fromFirst<T>(team: Team, value: T): Promise<T> {
  return (await team.gather(team.rank === 0 ? value : null))[0] as T;
}

/** Values of the largest pieces in which gradients travel: few enough that the first ones leave early. */
const LARGEST_BUCKET = 4 * 2 ** 20;
const SMALLEST_BUCKET = 16 * 2 ** 10;
/** Buckets of a network of which the largest would make only a few. */
const USUAL_BUCKETS = 16;

/** Values of each piece in which so many gradients travel. */
export function bucketLength(gradients: number): number {
  return Math.min(LARGEST_BUCKET, Math.max(SMALLEST_BUCKET, Math.ceil(gradients / USUAL_BUCKETS)));
}

/** The part `[start, end)` of so many things that a rank takes; none is left out, and none taken twice. */
export function shareOf(count: number, { rank, size }: Pick<Team, 'rank' | 'size'>): [number, number] {
  return [Math.floor((count * rank) / size), Math.floor((count * (rank + 1)) / size)];
}
