import { useEffect, useRef, useState } from 'preact/hooks';
import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';
import { figure } from '../ui/display-values.ts';
import { type DrawnPlot, type PlotModule, plotCurves } from './plot-curves.ts';
import { type Range, type Series, seriesPoints, type XAxis } from './series.ts';

export const LINE_STYLES = 'Thin lines: training. Thick lines with points: validation.';

interface ChartProps {
  readonly title: string;
  readonly unit?: string;
  readonly xAxis: XAxis;
  readonly series: readonly Series[];
  readonly value: (line: MetricsLine) => number;
  readonly logarithmic?: boolean;
  /** Whether values jump and only training has them, as the learning rate (default: false). */
  readonly steps?: boolean;
  /** Weight of earlier values in the moving average of training, 0 to below 1 (default: 0). */
  readonly smoothing?: number;
  /** The part of the x-axis that is shown (default: all). */
  readonly zoom?: Range;
  /** Called with a range that was selected with the pointer; undefined: all (default: no zooming). */
  readonly onZoom?: (range: Range | undefined) => void;
}

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

export function Chart(props: ChartProps) {
  const {
    title,
    unit,
    xAxis,
    series,
    value,
    logarithmic = false,
    steps = false,
    smoothing = 0,
    zoom,
  } = props;
  const plot = usePlot();
  const box = useRef<HTMLDivElement>(null);
  const drawing = useRef<DrawnPlot>(undefined);
  const width = useWidth(box);
  const pick = (kind: MetricsLine['kind'], weight: number) =>
    series.flatMap((one) => seriesPoints(one, kind, { xAxis, value, steps, zoom, smoothing: weight }));
  const drawn = {
    training: pick('train', steps ? 0 : smoothing),
    raw: smoothing > 0 && !steps ? pick('train', 0) : [],
    validation: steps ? [] : pick('validation', 0),
  };
  useEffect(() => {
    if (!plot || width === 0) return;
    const format = { width, xAxis, unit, logarithmic, steps, fromZero: zoom === undefined };
    drawing.current = plotCurves(plot, drawn, format);
    box.current!.replaceChildren(drawing.current.svg);
  }, [plot, width, xAxis.label, unit, logarithmic, JSON.stringify(drawn)]);
  return (
    <figure class="chart">
      <figcaption>
        {title}
        {unit && <span class="hint">{unit}</span>}
      </figcaption>
      <ZoomArea {...props} xAt={(pixels) => drawing.current?.xAt(pixels) ?? Number.NaN}>
        <div class="plot" ref={box} role="img" aria-label={`${title}. ${summary(series, value, unit)}`} />
      </ZoomArea>
    </figure>
  );
}

/** Fewer pixels are a click. */
const LEAST_DRAG = 8;

interface ZoomAreaProps extends Pick<ChartProps, 'onZoom'> {
  readonly xAt: (pixels: number) => number;
  readonly children: preact.ComponentChildren;
}

/** Selects a range of the x-axis by dragging; a double click selects all. The fields above the charts do it by keyboard. */
function ZoomArea({ onZoom, xAt, children }: ZoomAreaProps) {
  const [drag, setDrag] = useState<{ from: number; to: number }>();
  const place = (event: PointerEvent) =>
    event.clientX - (event.currentTarget as HTMLElement).getBoundingClientRect().left;
  if (!onZoom) return <div class="zoom-area">{children}</div>;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the fields above the charts do the same by keyboard
    <div
      class="zoom-area zoomable"
      // While capturing: where a point is pointed at, Plot stops the event.
      onPointerDownCapture={(event) => {
        if (event.button !== 0 || event.pointerType === 'touch') return;
        setDrag({ from: place(event), to: place(event) });
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => drag && setDrag({ ...drag, to: place(event) })}
      onPointerUp={() => {
        if (!drag) return;
        setDrag(undefined);
        const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
        const range = [xAt(from), xAt(to)] as const;
        if (to - from >= LEAST_DRAG && range.every(Number.isFinite)) onZoom(range);
      }}
      onDblClick={() => onZoom(undefined)}
    >
      {children}
      {drag && (
        <span
          class="zoom-selection"
          style={{ left: `${Math.min(drag.from, drag.to)}px`, width: `${Math.abs(drag.to - drag.from)}px` }}
        />
      )}
    </div>
  );
}

/** The curves in words: the first and the latest value of each. */
function summary(series: readonly Series[], value: (line: MetricsLine) => number, unit = ''): string {
  return series
    .filter(({ lines }) => lines.length > 0)
    .map(({ name, lines }) => {
      const [first, last] = [lines[0]!, lines.at(-1)!].map((line) => `${figure(value(line))} ${unit}`.trim());
      return `${name}: from ${first} to ${last} at epoch ${lines.at(-1)!.epoch.toFixed(1)}.`;
    })
    .join(' ');
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
