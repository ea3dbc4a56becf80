/** The series of a chart: a run's metrics, color and points. */
import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';

export interface Series {
  readonly id: string;
  /** The run's name in legends and tables. */
  readonly name: string;
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
export interface XAxis {
  /** Name with its unit. */
  readonly label: string;
  readonly of: (line: MetricsLine) => number;
}

export const EPOCHS: XAxis = { label: 'epoch', of: ({ epoch }) => epoch };
export const ITERATIONS: XAxis = { label: 'iteration', of: ({ iteration }) => iteration };

/** Training time in the largest unit of which the longest series has at least two. */
export function timeAxis(series: readonly Series[]): XAxis {
  const longest = Math.max(0, ...series.map(({ lines }) => lines.at(-1)?.seconds ?? 0));
  for (const [label, unit] of [
    ['hours', 3600],
    ['minutes', 60],
  ] as const) {
    if (longest >= 2 * unit) return { label, of: ({ seconds }) => seconds / unit };
  }
  return { label: 'seconds', of: ({ seconds }) => seconds };
}

export interface SeriesPoint {
  readonly x: number;
  readonly y: number;
  readonly run: string;
  readonly color: string;
}

/** The part of an axis that is shown. */
export type Range = readonly [from: number, to: number];

interface PointOptions {
  readonly xAxis: XAxis;
  readonly value: (line: MetricsLine) => number;
  /** Default: the whole axis. */
  readonly zoom?: Range;
  /** Whether values jump, so that the last of neighbors is kept instead of their mean (default: false). */
  readonly steps?: boolean;
  /** Weight of the earlier values in an exponential moving average, 0 to below 1 (default: 0). */
  readonly smoothing?: number;
}

/** Most pixel columns that a chart has on any screen. */
const MOST_POINTS = 600;

/**
 * The points of one kind of metric. Long series are averaged over neighboring lines. Values that cannot be drawn are
 * left out.
 */
export function seriesPoints(
  { name: run, color, lines }: Series,
  kind: MetricsLine['kind'],
  { xAxis, value, zoom, steps = false, smoothing = 0 }: PointOptions,
): SeriesPoint[] {
  const all = lines
    .filter((line) => line.kind === kind)
    .map((line) => ({ x: xAxis.of(line), y: value(line), run, color }))
    .filter(({ y }) => Number.isFinite(y));
  const points = smoothed(all, smoothing).filter(({ x }) => !zoom || (x >= zoom[0] && x <= zoom[1]));
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    const last = group.at(-1)!;
    return steps ? last : { ...last, y: group.reduce((sum, { y }) => sum + y, 0) / group.length };
  });
}

/** An exponential moving average that does not lean toward its start. */
function smoothed(points: readonly SeriesPoint[], weight: number): SeriesPoint[] {
  let [sum, weights] = [0, 0];
  return points.map((point) => {
    sum = weight * sum + (1 - weight) * point.y;
    weights = weight * weights + (1 - weight);
    return { ...point, y: sum / weights };
  });
}

/** Steps within a factor of ten of a logarithmic axis. */
const STEPS = [1, 2, 5];
const MOST_TICKS = 6;
/** The axis extends beyond its outermost ticks by this factor, so that lines are not cut in half. */
const MARGIN = 1.08;

/** Round ticks of a logarithmic axis, and the axis, which includes all values. */
export function logAxis(values: readonly number[]): { ticks: number[]; domain: [number, number] } {
  const positive = values.filter((value) => value > 0);
  const [least, most] = positive.length > 0 ? [Math.min(...positive), Math.max(...positive)] : [1, 10];
  for (const steps of [STEPS, [1]]) {
    const ticks = roundValues(least, most, steps);
    if (ticks.length <= MOST_TICKS || steps.length === 1) {
      return { ticks: thinned(ticks), domain: [ticks[0]! / MARGIN, ticks.at(-1)! * MARGIN] };
    }
  }
  throw new Error('unreachable');
}

/** Values such as 0.01, 0.02, 0.05, 0.1 from at most `least` to at least `most`; two or more. */
function roundValues(least: number, most: number, steps: readonly number[]): number[] {
  const decades = Array.from(
    { length: Math.floor(Math.log10(most)) - Math.floor(Math.log10(least)) + 3 },
    (_, i) => Math.floor(Math.log10(least)) - 1 + i,
  );
  const all = decades.flatMap((decade) => steps.map((step) => Number(`${step}e${decade}`)));
  const first = all.findLastIndex((value) => value <= least);
  const last = all.findIndex((value) => value >= most);
  return all.slice(first === last ? first - 1 : first, last + 1 + Number(first === last));
}

function thinned(ticks: readonly number[]): number[] {
  const every = Math.ceil(ticks.length / MOST_TICKS);
  return ticks.filter((_, i) => i % every === 0);
}
