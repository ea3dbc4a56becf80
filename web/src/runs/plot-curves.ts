/** Draws a chart's curves with Observable Plot. */
import { figure } from '../ui/display-values.ts';
import { logAxis, type SeriesPoint, type XAxis } from './series.ts';

export type PlotModule = typeof import('@observablehq/plot');

export interface ChartPoints {
  readonly training: readonly SeriesPoint[];
  /** The training points before smoothing, drawn faintly; none without smoothing. */
  readonly raw: readonly SeriesPoint[];
  readonly validation: readonly SeriesPoint[];
}

export interface ChartFormat {
  readonly width: number;
  readonly xAxis: XAxis;
  readonly unit: string | undefined;
  readonly logarithmic: boolean;
  /** Whether values jump from one to the next. */
  readonly steps: boolean;
  /** Whether the y-axis begins at 0. */
  readonly fromZero: boolean;
}

export interface DrawnPlot {
  readonly svg: Element;
  /** The value of the x-axis at a distance from the left, in CSS pixels. */
  readonly xAt: (pixels: number) => number;
}

const TICKS = 5;

export function plotCurves(
  Plot: PlotModule,
  { training, raw, validation }: ChartPoints,
  { width, xAxis, unit, logarithmic, steps, fromZero }: ChartFormat,
): DrawnPlot {
  const line = { x: 'x', y: 'y', z: 'run', stroke: 'color' } as const;
  const named = ({ run, x, y }: SeriesPoint) =>
    `${run}\n${xAxis.label} ${figure(x)}\n${figure(y)} ${unit ?? ''}`;
  const all = [...training, ...validation];
  const svg = Plot.plot({
    width,
    height: Math.round(Math.min(260, Math.max(180, width * 0.55))),
    marginLeft: logarithmic ? 52 : 40,
    marginRight: 12,
    marginTop: 10,
    // A single value would be written with six decimals.
    x: { label: xAxis.label, nice: false, tickFormat: isSingle(all) ? figure : undefined },
    y: logarithmic
      ? { type: 'log', label: null, grid: true, tickFormat: power, ...logAxis(all.map(({ y }) => y)) }
      : { label: null, grid: true, zero: fromZero, nice: TICKS, ticks: TICKS },
    color: { type: 'identity' },
    marks: [
      Plot.lineY(raw, { ...line, strokeWidth: 1, strokeOpacity: 0.22 }),
      Plot.lineY(training, {
        ...line,
        strokeWidth: steps ? 2 : 1,
        strokeOpacity: steps ? 1 : 0.65,
        curve: steps ? 'step-before' : 'linear',
      }),
      Plot.lineY(validation, { ...line, strokeWidth: 2.25 }),
      Plot.dot(validation, { x: 'x', y: 'y', fill: 'color', r: 2.75 }),
      Plot.tip(all, Plot.pointer({ x: 'x', y: 'y', title: named })),
    ],
  });
  // The Content-Security-Policy forbids Plot's inline style sheet; runs.css has its rules.
  svg.querySelector('style')?.remove();
  svg.setAttribute('aria-hidden', 'true'); // the enclosing box has the summary as its label
  const scale = svg.scale('x');
  return { svg, xAt: (pixels) => Number(scale?.invert?.(pixels) ?? Number.NaN) };
}

/** Ticks of a logarithmic axis: 100, 0.001, 0.00005, 1e-7. */
function power(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function isSingle(points: readonly SeriesPoint[]): boolean {
  return points.every(({ x }) => x === points[0]!.x);
}
