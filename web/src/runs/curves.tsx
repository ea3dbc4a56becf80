import { useState } from 'preact/hooks';
import type { MetricsLine, RunSummary } from '../../../src/serve/contract/runs.ts';
import { Choice } from '../ui/choice.tsx';
import { DataTable } from '../ui/data-table.tsx';
import { count, figure, percent } from '../ui/format.ts';
import { Busy, Failure } from '../ui/notices.tsx';
import { Chart, type Series } from './chart.tsx';
import type { Feed } from './metrics-stream.ts';
import { colourOf } from './series-colors.ts';

interface CurvesProps {
  readonly runs: readonly RunSummary[];
  readonly feeds: ReadonlyMap<string, Feed>;
}

const ALONG = [
  ['epoch', 'epochs'],
  ['iteration', 'iterations'],
  ['seconds', 'seconds'],
] as const;
const ERRORS = [
  ['top1Error', 'top-1'],
  ['top5Error', 'top-5'],
] as const;

/** Loss, error and learning rate of the runs that are shown. */
export function Curves({ runs, feeds }: CurvesProps) {
  const [along, setAlong] = useState<(typeof ALONG)[number][0]>('epoch');
  const [error, setError] = useState<(typeof ERRORS)[number][0]>('top1Error');
  const series = runs.map(
    ({ id }, place): Series => ({ id, colour: colourOf(place), lines: feeds.get(id)?.lines ?? [] }),
  );
  const failures = runs.flatMap(({ id }) => feeds.get(id)?.failure ?? []);
  const isEmpty = series.every(({ lines }) => lines.length === 0);
  const errorName = error === 'top1Error' ? 'top-1' : 'top-5';
  return (
    <section class="panel curves" aria-labelledby="curves">
      <div class="panel-head">
        <h2 id="curves">Curves</h2>
        <Choice legend="Against" options={ALONG} value={along} onChange={setAlong} />
        <Choice legend="Error" options={ERRORS} value={error} onChange={setError} />
      </div>
      <Key runs={runs} feeds={feeds} />
      {failures.map((message) => (
        <Failure key={message} message={message} />
      ))}
      {isEmpty ? (
        failures.length === 0 && <Busy what="Waiting for the first measurements" />
      ) : (
        <>
          <div class="charts">
            <Chart title="Loss" unit="nats" along={along} series={series} value={({ loss }) => loss} />
            <Chart
              title={`${errorName} error`}
              unit="%"
              along={along}
              series={series}
              value={(line) => 100 * line[error]}
            />
            <Chart
              title="Learning rate"
              along={along}
              series={series}
              value={({ learningRate }) => learningRate}
              logarithmic
            />
          </div>
          <details>
            <summary>The validations as a table</summary>
            <DataTable
              caption="Validations, the newest last"
              columns={['Run', 'Epoch', 'Iteration', 'Loss', 'Top-1 error', 'Top-5 error', 'Rate']}
              rows={series.flatMap(({ id, lines }) =>
                lines.filter(isValidation).map((line) => rowOf(id, line)),
              )}
            />
          </details>
        </>
      )}
    </section>
  );
}

function isValidation({ kind }: MetricsLine): boolean {
  return kind === 'validation';
}

function rowOf(id: string, line: MetricsLine): string[] {
  return [
    id,
    line.epoch.toFixed(2),
    count(line.iteration),
    line.loss.toFixed(4),
    percent(line.top1Error),
    percent(line.top5Error),
    figure(line.learningRate),
  ];
}

/** Which colour is which run, and how a run that is trained now stands. */
function Key({ runs, feeds }: CurvesProps) {
  return (
    <div class="key">
      <ul>
        {runs.map(({ id }, place) => {
          const feed = feeds.get(id);
          const last = feed?.lines.at(-1);
          return (
            <li key={id}>
              <span class="swatch" style={{ backgroundColor: colourOf(place) }} aria-hidden="true" />
              {id}
              {feed?.isLive && <span class="state running">live</span>}
              {last && (
                <span class="hint">
                  loss {figure(last.loss)} at iteration {count(last.iteration)}
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <p class="hint">Thin lines: training. Thick lines with points: validation.</p>
    </div>
  );
}
