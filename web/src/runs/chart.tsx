import { useEffect, useRef, useState } from 'preact/hooks';
import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';
import { figure } from '../ui/display-values.ts';
import { type Series, type SeriesPoint, seriesPoints, type XAxis } from './series.ts';

export const LINE_STYLES = 'Thin lines: training. Thick lines with points: validation.';

interface ChartProps {
  readonly title: string;
  readonly unit?: string;
  readonly xAxis: XAxis;
  readonly series: readonly Series[];
  readonly value: (line: MetricsLine) => number;
  readonly logarithmic?: boolean;
}

type PlotModule = typeof import('@observablehq/plot');

/** Observable Plot is most of the page's code and needed only here, so it is loaded with the first chart. */
let plotModule: Promise<PlotModule> | undefined;

function usePlot(): PlotModule | undefined {
  const [plot, setPlot] = useState<PlotModule>();
  useEffect(() => {
    plotModule ??= import('@observablehq/plot');
    let wanted = true;
    void plotModule.then((loaded) => wanted && setPlot(loaded));
    return () => {
      wanted = false;
    };
  }, []);
  return plot;
}

export function Chart({ title, unit, xAxis, series, value, logarithmic = false }: ChartProps) {
  const plot = usePlot();
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const pick = (kind: MetricsLine['kind']) =>
    series.flatMap((one) => seriesPoints(one, kind, xAxis, value, logarithmic));
  const drawn = { training: pick('train'), validation: logarithmic ? [] : pick('validation') };
  useEffect(() => {
    if (!plot || width === 0) return;
    const svg = draw(plot, drawn, { width, xAxis, unit, logarithmic });
    box.current!.replaceChildren(svg);
  }, [plot, width, xAxis, unit, logarithmic, JSON.stringify(drawn)]);
  return (
    <figure class="chart">
      <figcaption>
        {title}
        {unit && <span class="hint">{unit}</span>}
      </figcaption>
      <div class="plot" ref={box} role="img" aria-label={`${title}. ${summary(series, value, unit)}`} />
    </figure>
  );
}

/** The curves in words: the first and the latest value of each. */
function summary(series: readonly Series[], value: (line: MetricsLine) => number, unit = ''): string {
  return series
    .filter(({ lines }) => lines.length > 0)
    .map(({ id, lines }) => {
      const [first, last] = [lines[0]!, lines.at(-1)!].map((line) => `${figure(value(line))} ${unit}`.trim());
      return `${id}: from ${first} to ${last} at epoch ${lines.at(-1)!.epoch.toFixed(1)}.`;
    })
    .join(' ');
}

interface ChartPoints {
  readonly training: readonly SeriesPoint[];
  readonly validation: readonly SeriesPoint[];
}

interface ChartFormat {
  readonly width: number;
  readonly xAxis: XAxis;
  readonly unit: string | undefined;
  readonly logarithmic: boolean;
}

const TICKS = 5;
/** An axis of learning rates extends beyond them by this factor at each end. */
const MARGIN = 1.25;

function draw(Plot: PlotModule, { training, validation }: ChartPoints, format: ChartFormat): Element {
  const { width, xAxis, logarithmic } = format;
  const line = { x: 'x', y: 'y', z: 'run', stroke: 'color' } as const;
  const named = (point: SeriesPoint) =>
    `${point.run}\n${xAxis} ${figure(point.x)}\n${figure(point.y)} ${format.unit ?? ''}`;
  const plot = Plot.plot({
    width,
    height: Math.round(Math.min(260, Math.max(180, width * 0.55))),
    marginLeft: logarithmic ? 52 : 40,
    marginRight: 12,
    marginTop: 10,
    x: { label: xAxis, nice: false },
    y: logarithmic
      ? { type: 'log', label: null, grid: true, tickFormat: figure, ...ratesOf(training) }
      : { label: null, grid: true, zero: true, nice: TICKS, ticks: TICKS },
    color: { type: 'identity' },
    marks: [
      Plot.lineY(training, {
        ...line,
        strokeWidth: logarithmic ? 2 : 1,
        strokeOpacity: logarithmic ? 1 : 0.55,
        curve: logarithmic ? 'step-before' : 'linear',
      }),
      Plot.lineY(validation, { ...line, strokeWidth: 2.25 }),
      Plot.dot(validation, { x: 'x', y: 'y', fill: 'color', r: 2.75 }),
      Plot.tip([...training, ...validation], Plot.pointer({ x: 'x', y: 'y', title: named })),
    ],
  });
  // The Content-Security-Policy forbids Plot's inline style sheet; runs.css has its rules.
  plot.querySelector('style')?.remove();
  plot.setAttribute('aria-hidden', 'true'); // the enclosing box has the summary as its label
  return plot;
}

/** A schedule has few learning rates: they are the ticks, and the domain keeps the lines off the plot's edges. */
function ratesOf(points: readonly SeriesPoint[]): { ticks: number[] | number; domain?: [number, number] } {
  const rates = [...new Set(points.map(({ y }) => y))];
  const ticks = rates.length <= 6 ? rates : 4;
  if (rates.length === 0) return { ticks };
  return { ticks, domain: [Math.min(...rates) / MARGIN, Math.max(...rates) * MARGIN] };
}

/** The current width of an element in CSS pixels. */
function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return width;
}
