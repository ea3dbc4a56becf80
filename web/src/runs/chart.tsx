import { useEffect, useRef, useState } from 'preact/hooks';
import type { MetricsLine } from '../../../src/serve/contract/runs.ts';
import { figure } from '../ui/format.ts';
import { type Along, type Point, pointsOf } from './series.ts';

export interface Series {
  readonly id: string;
  readonly colour: string;
  readonly lines: readonly MetricsLine[];
}

interface ChartProps {
  readonly title: string;
  readonly unit?: string;
  readonly along: Along;
  readonly series: readonly Series[];
  readonly value: (line: MetricsLine) => number;
  readonly logarithmic?: boolean;
}

type PlotModule = typeof import('@observablehq/plot');

/** Observable Plot is most of the page's code and needed here only, so it is fetched when it is. */
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

export function Chart({ title, unit, along, series, value, logarithmic = false }: ChartProps) {
  const plot = usePlot();
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const pick = (kind: MetricsLine['kind']) =>
    series.flatMap(({ id, colour, lines }) =>
      pointsOf(
        lines.filter((line) => line.kind === kind),
        along,
        value,
        logarithmic,
      ).map((point): Point => ({ ...point, run: id, colour })),
    );
  const drawn = { training: pick('train'), validation: logarithmic ? [] : pick('validation') };
  useEffect(() => {
    if (!plot || width === 0) return;
    const svg = draw(plot, drawn, { width, along, unit, logarithmic });
    box.current!.replaceChildren(svg);
  }, [plot, width, along, unit, logarithmic, JSON.stringify(drawn)]);
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

/** The curves in words: where each begins and where it is now. */
function summary(series: readonly Series[], value: (line: MetricsLine) => number, unit = ''): string {
  return series
    .filter(({ lines }) => lines.length > 0)
    .map(({ id, lines }) => {
      const [first, last] = [lines[0]!, lines.at(-1)!].map((line) => `${figure(value(line))} ${unit}`.trim());
      return `${id}: from ${first} to ${last} at epoch ${lines.at(-1)!.epoch.toFixed(1)}.`;
    })
    .join(' ');
}

interface Drawn {
  readonly training: readonly Point[];
  readonly validation: readonly Point[];
}

interface Form {
  readonly width: number;
  readonly along: Along;
  readonly unit: string | undefined;
  readonly logarithmic: boolean;
}

const TICKS = 5;
/** By which factor an axis of rates is longer than they need, at either end. */
const CLEAR = 1.25;

function draw(Plot: PlotModule, { training, validation }: Drawn, form: Form): Element {
  const { width, along, logarithmic } = form;
  const line = { x: 'x', y: 'y', z: 'run', stroke: 'colour' } as const;
  const named = (point: Point) =>
    `${point.run}\n${along} ${figure(point.x)}\n${figure(point.y)} ${form.unit ?? ''}`;
  const plot = Plot.plot({
    width,
    height: Math.round(Math.min(260, Math.max(180, width * 0.55))),
    marginLeft: logarithmic ? 52 : 40,
    marginRight: 12,
    marginTop: 10,
    x: { label: along, nice: false },
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
      Plot.dot(validation, { x: 'x', y: 'y', fill: 'colour', r: 2.75 }),
      Plot.tip([...training, ...validation], Plot.pointer({ x: 'x', y: 'y', title: named })),
    ],
  });
  // Plot brings a style sheet of its own, which the Content-Security-Policy forbids; runs.css has its rules.
  plot.querySelector('style')?.remove();
  plot.setAttribute('aria-hidden', 'true'); // the box around it says the same in words
  return plot;
}

/** A schedule has few rates, and these are the ticks worth having; the lines keep clear of the plot's edges. */
function ratesOf(points: readonly Point[]): { ticks: number[] | number; domain?: [number, number] } {
  const rates = [...new Set(points.map(({ y }) => y))];
  const ticks = rates.length <= 6 ? rates : 4;
  if (rates.length === 0) return { ticks };
  return { ticks, domain: [Math.min(...rates) / CLEAR, Math.max(...rates) * CLEAR] };
}

/** The width of an element in CSS pixels, as it changes. */
function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return width;
}
