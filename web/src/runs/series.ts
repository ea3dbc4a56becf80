import type { MetricsLine } from '../../../src/serve/contract/runs.ts';

export type Along = 'epoch' | 'iteration' | 'seconds';

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly run: string;
  readonly colour: string;
}

const MOST = 600;

/**
 * The points of a curve; of very many lines, means of neighbouring ones, since a screen has no more columns.
 * Values that cannot be drawn are left out.
 * @param steps whether values jump: then there is no mean between them, and the last of neighbours stands for all
 */
export function pointsOf(
  lines: readonly MetricsLine[],
  along: Along,
  value: (line: MetricsLine) => number,
  steps = false,
): { readonly x: number; readonly y: number }[] {
  const points = lines
    .map((line) => ({ x: line[along], y: value(line) }))
    .filter(({ y }) => Number.isFinite(y));
  const size = Math.ceil(points.length / MOST);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    const last = group.at(-1)!;
    return steps ? last : { x: last.x, y: group.reduce((sum, { y }) => sum + y, 0) / group.length };
  });
}
