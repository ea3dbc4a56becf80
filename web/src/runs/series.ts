/** The series of a chart: a run's metrics, color and points. */
import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';

export interface Series {
  readonly id: string;
  readonly color: string;
  readonly lines: readonly MetricsLine[];
}

/** Most series in one chart: the style sheet has this many colors. */
export const MOST_SERIES = 8;

/** The color of a series by its position among those shown. */
export function seriesColor(place: number): string {
  return `var(--series-${(place % MOST_SERIES) + 1})`;
}

/** The quantity on the x-axis. */
export type XAxis = 'epoch' | 'iteration' | 'seconds';

export interface SeriesPoint {
  readonly x: number;
  readonly y: number;
  readonly run: string;
  readonly color: string;
}

/** Most pixel columns that a chart has on any screen. */
const MOST_POINTS = 600;

/**
 * The points of one kind of metric. Long series are averaged over neighboring lines. Values that cannot be drawn are
 * left out.
 * @param steps whether values jump, so that the last of neighbors is kept instead of their mean (default: false)
 */
export function seriesPoints(
  { id: run, color, lines }: Series,
  kind: MetricsLine['kind'],
  xAxis: XAxis,
  value: (line: MetricsLine) => number,
  steps = false,
): SeriesPoint[] {
  const points = lines
    .filter((line) => line.kind === kind)
    .map((line) => ({ x: line[xAxis], y: value(line), run, color }))
    .filter(({ y }) => Number.isFinite(y));
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    const last = group.at(-1)!;
    return steps ? last : { ...last, y: group.reduce((sum, { y }) => sum + y, 0) / group.length };
  });
}
