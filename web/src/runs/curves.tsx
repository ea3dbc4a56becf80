import { useState } from 'preact/hooks';
import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';
import { Choice } from '../ui/choice.tsx';
import { count, figure } from '../ui/display-values.ts';
import { Busy, Failure } from '../ui/notices.tsx';
import { Chart, LINE_STYLES } from './chart.tsx';
import type { MetricsStream } from './metrics-stream.ts';
import { type Series, seriesColor } from './series.ts';
import { ValidationTable } from './validation-table.tsx';

interface CurvesProps {
  readonly runs: readonly RunSummary[];
  readonly streams: ReadonlyMap<string, MetricsStream>;
}

const X_AXES = [
  ['epoch', 'epochs'],
  ['iteration', 'iterations'],
  ['seconds', 'seconds'],
] as const;
const ERRORS = [
  ['top1Error', 'top-1'],
  ['top5Error', 'top-5'],
] as const;

/** Charts the loss, error and learning rate of the selected runs. */
export function Curves({ runs, streams }: CurvesProps) {
  const [xAxis, setXAxis] = useState<(typeof X_AXES)[number][0]>('epoch');
  const [error, setError] = useState<(typeof ERRORS)[number][0]>('top1Error');
  const series = runs.map(
    ({ id }, place): Series => ({ id, color: seriesColor(place), lines: streams.get(id)?.lines ?? [] }),
  );
  const failures = runs.flatMap(({ id }) => streams.get(id)?.failure ?? []);
  const isEmpty = series.every(({ lines }) => lines.length === 0);
  return (
    <section class="panel curves" aria-labelledby="curves">
      <div class="panel-head">
        <h2 id="curves">Curves</h2>
        <Choice legend="X-axis" options={X_AXES} value={xAxis} onChange={setXAxis} />
        <Choice legend="Error" options={ERRORS} value={error} onChange={setError} />
      </div>
      <RunLegend runs={runs} streams={streams} />
      {failures.map((message) => (
        <Failure key={message} message={message} />
      ))}
      {isEmpty ? (
        failures.length === 0 && <Busy what="Waiting for the first metrics" />
      ) : (
        <>
          <div class="charts">
            <Chart title="Loss" unit="nats" xAxis={xAxis} series={series} value={({ loss }) => loss} />
            <Chart
              title={error === 'top1Error' ? 'Top-1 error' : 'Top-5 error'}
              unit="%"
              xAxis={xAxis}
              series={series}
              value={(line) => 100 * line[error]}
            />
            <Chart
              title="Learning rate"
              xAxis={xAxis}
              series={series}
              value={({ learningRate }) => learningRate}
              logarithmic
            />
          </div>
          <ValidationTable series={series} full />
        </>
      )}
    </section>
  );
}

/** Lists each run's color and, for those in training, the latest loss. */
function RunLegend({ runs, streams }: CurvesProps) {
  return (
    <div class="run-legend">
      <ul>
        {runs.map(({ id }, place) => {
          const stream = streams.get(id);
          const last = stream?.lines.at(-1);
          return (
            <li key={id}>
              <span class="swatch" style={{ backgroundColor: seriesColor(place) }} aria-hidden="true" />
              {id}
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
