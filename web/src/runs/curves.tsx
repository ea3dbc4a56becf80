import { useId, useState } from 'preact/hooks';
import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';
import { Choice } from '../ui/choice.tsx';
import { count, figure, percent } from '../ui/display-values.ts';
import { Busy, Failure } from '../ui/notices.tsx';
import { Chart, LINE_STYLES } from './chart.tsx';
import type { MetricsStream } from './metrics-stream.ts';
import { errorName, hasBoxes, hasTop5, nameOf } from './run-facts.ts';
import { EPOCHS, ITERATIONS, type Range, type Series, seriesColor, timeAxis } from './series.ts';
import { ValidationTable } from './validation-table.tsx';

interface CurvesProps {
  readonly runs: readonly RunSummary[];
  readonly streams: ReadonlyMap<string, MetricsStream>;
}

const X_AXES = [
  ['epoch', 'epochs'],
  ['iteration', 'iterations'],
  ['time', 'time'],
] as const;
const ERRORS = [
  ['top1Error', 'top-1'],
  ['top5Error', 'top-5'],
] as const;
const SCALES = [
  ['linear', 'linear'],
  ['log', 'log'],
] as const;

/** Charts the loss, error and learning rate of the selected runs. */
export function Curves({ runs, streams }: CurvesProps) {
  const [xName, setXName] = useState<(typeof X_AXES)[number][0]>('epoch');
  const [wantedError, setError] = useState<(typeof ERRORS)[number][0]>('top1Error');
  const [scale, setScale] = useState<(typeof SCALES)[number][0]>('linear');
  const [smoothing, setSmoothing] = useState(0);
  const [zoom, setZoom] = useState<Range>();
  const series = runs.map(
    (run, place): Series => ({
      id: run.id,
      name: nameOf(run),
      color: seriesColor(place),
      lines: streams.get(run.id)?.lines ?? [],
    }),
  );
  const failures = runs.flatMap(({ id }) => streams.get(id)?.failure ?? []);
  const isEmpty = series.every(({ lines }) => lines.length === 0);
  const withTop5 = runs.some(hasTop5);
  const error = withTop5 ? wantedError : 'top1Error';
  const xAxis = { epoch: EPOCHS, iteration: ITERATIONS, time: timeAxis(series) }[xName];
  const chart = { xAxis, series, zoom, onZoom: setZoom };
  const drawn = { ...chart, smoothing, logarithmic: scale === 'log' };
  return (
    <section class="panel curves" aria-labelledby="curves">
      <div class="panel-head">
        <h2 id="curves">Curves</h2>
      </div>
      <RunLegend runs={runs} streams={streams} />
      {failures.map((message) => (
        <Failure key={message} message={message} />
      ))}
      {isEmpty ? (
        failures.length === 0 && <NoMetrics runs={runs} />
      ) : (
        <>
          <div class="controls">
            <Choice
              legend="X-axis"
              options={X_AXES}
              value={xName}
              onChange={(name) => {
                setXName(name);
                setZoom(undefined);
              }}
            />
            {withTop5 && <Choice legend="Error" options={ERRORS} value={error} onChange={setError} />}
            <Choice legend="Y-axes" options={SCALES} value={scale} onChange={setScale} />
            <Smoothing value={smoothing} onChange={setSmoothing} />
            <Zoom label={xAxis.label} series={series} of={xAxis.of} value={zoom} onChange={setZoom} />
          </div>
          <div class="charts">
            <Chart
              title="Loss"
              unit={hasBoxes(runs) ? undefined : 'nats'}
              {...drawn}
              value={({ loss }) => loss}
            />
            <Chart
              title={capitalized(error === 'top1Error' ? errorName(runs) : 'top-5 error')}
              unit="%"
              {...drawn}
              value={(line) => 100 * line[error]}
            />
            <Chart
              title="Learning rate"
              {...chart}
              value={({ learningRate }) => learningRate}
              logarithmic
              steps
            />
          </div>
          <ValidationTable series={series} error={capitalized(errorName(runs))} full={withTop5} named />
        </>
      )}
    </section>
  );
}

/** Only a run in training will have some. */
function NoMetrics({ runs }: Pick<CurvesProps, 'runs'>) {
  if (runs.some(({ state }) => state === 'running')) return <Busy what="Waiting for the first metrics" />;
  return <p class="hint">Training stopped before there were any metrics.</p>;
}

function capitalized(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

const MOST_SMOOTHING = 0.98;

function Smoothing({
  value,
  onChange,
}: {
  readonly value: number;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        Smoothing <output for={id}>{percent(value, 0)}</output>
      </label>
      <input
        id={id}
        type="range"
        min="0"
        max={MOST_SMOOTHING}
        step="0.02"
        value={value}
        title="Weight of the earlier values in the moving average of training"
        onInput={({ currentTarget }) => onChange(Number(currentTarget.value))}
      />
    </div>
  );
}

interface ZoomProps {
  readonly label: string;
  readonly series: readonly Series[];
  readonly of: (line: Series['lines'][number]) => number;
  readonly value: Range | undefined;
  readonly onChange: (range: Range | undefined) => void;
}

/** The part of the x-axis that is shown, as numbers; dragging over a chart changes it, too. */
function Zoom({ label, series, of, value, onChange }: ZoomProps) {
  const id = useId();
  const ends = series.flatMap(({ lines }) =>
    [lines[0], lines.at(-1)].flatMap((line) => (line ? [of(line)] : [])),
  );
  const all: Range = [Math.min(0, ...ends), Math.max(...ends)];
  const [from, to] = value ?? all;
  const set = (place: 0 | 1) => (event: Event) => {
    const typed = Number((event.currentTarget as HTMLInputElement).value);
    const range: Range = place === 0 ? [typed, to] : [from, typed];
    if (Number.isFinite(typed) && range[0] < range[1]) onChange(range);
  };
  const shown = (number: number) => Number(number.toPrecision(4));
  return (
    <fieldset class="field zoom" title="Or drag over a chart; a double click shows everything">
      <legend>Range ({label})</legend>
      <input
        type="number"
        step="any"
        aria-label={`From ${label}`}
        id={`${id}-from`}
        value={shown(from)}
        onChange={set(0)}
      />
      –
      <input type="number" step="any" aria-label={`To ${label}`} value={shown(to)} onChange={set(1)} />
      {value && (
        <button type="button" class="quiet" onClick={() => onChange(undefined)}>
          Show all
        </button>
      )}
    </fieldset>
  );
}

/** Lists each run's color and, for those in training, the latest loss. */
function RunLegend({ runs, streams }: CurvesProps) {
  return (
    <div class="run-legend">
      <ul>
        {runs.map((run, place) => {
          const stream = streams.get(run.id);
          const last = stream?.lines.at(-1);
          return (
            <li key={run.id}>
              <span class="swatch" style={{ backgroundColor: seriesColor(place) }} aria-hidden="true" />
              {nameOf(run)}
              {stream?.isLive && <span class="state running">live</span>}
              {last && (
                <span class="hint">
                  loss {figure(last.loss)} at iteration {count(last.iteration)}
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <p class="hint">{LINE_STYLES}</p>
    </div>
  );
}
