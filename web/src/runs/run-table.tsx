import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';
import { count, duration, moment, percent } from '../ui/display-values.ts';
import { endedEarly, hasTop5, nameOf } from './run-facts.ts';
import { seriesColor } from './series.ts';

interface RunTableProps {
  readonly runs: readonly RunSummary[];
  /** Runs whose curves are shown, in the order of their colors. */
  readonly shown: readonly string[];
  /** The run whose details are shown. */
  readonly current: string;
  readonly onCurrent: (id: string) => void;
  readonly onToggle: (id: string) => void;
}

export function RunTable({ runs, shown, current, onCurrent, onToggle }: RunTableProps) {
  return (
    <section class="panel" aria-labelledby="run-list">
      <h2 id="run-list" class="visually-hidden">
        All runs
      </h2>
      <table class="run-table">
        <thead>
          <tr>
            <th scope="col">
              <span class="visually-hidden">Compare</span>
            </th>
            <th scope="col">Run</th>
            <th scope="col">State</th>
            <th scope="col">Progress</th>
            <th scope="col">Best error</th>
            <th scope="col" class="wide-only">
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <RunRow
              key={run.id}
              run={run}
              place={shown.indexOf(run.id)}
              isCurrent={run.id === current}
              onCurrent={() => onCurrent(run.id)}
              onToggle={() => onToggle(run.id)}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface RunRowProps {
  readonly run: RunSummary;
  /** Position among the runs whose curves are shown, or −1. */
  readonly place: number;
  readonly isCurrent: boolean;
  readonly onCurrent: () => void;
  readonly onToggle: () => void;
}

function RunRow({ run, place, isCurrent, onCurrent, onToggle }: RunRowProps) {
  const { id, name, title, state, best, startedAt } = run;
  const [day, time] = moment(startedAt).split(', ');
  return (
    <tr class={isCurrent ? 'selected' : undefined}>
      <td>
        <input
          type="checkbox"
          aria-label={`Show curves of ${nameOf(run)}`}
          checked={place >= 0}
          style={place >= 0 ? { accentColor: seriesColor(place) } : {}}
          onChange={onToggle}
        />
      </td>
      <th scope="row">
        <button type="button" aria-pressed={isCurrent} onClick={onCurrent}>
          {nameOf(run)}
        </button>
        {name && name !== id && <span class="hint">{id}, </span>}
        {title !== id && <span class="hint">{title}</span>}
      </th>
      <td>
        <span class={`state ${state}`}>{state}</span>
      </td>
      <td>
        <Progress run={run} />
      </td>
      <td>
        {best ? (
          <>
            {percent(best.top1Error)}{' '}
            {hasTop5(run) && <span class="hint">top-5 {percent(best.top5Error)}</span>}
          </>
        ) : (
          '–'
        )}
      </td>
      <td class="wide-only">
        <time dateTime={startedAt}>
          <span>{day},</span> <span>{time}</span>
        </time>
      </td>
    </tr>
  );
}

/** A finished run's bar is full, even if it ended early. */
function Progress({ run }: { readonly run: RunSummary }) {
  const { state, iteration, totalIterations, epoch, secondsLeft } = run;
  const total = state === 'finished' ? iteration : totalIterations;
  return (
    <>
      <span>
        {count(iteration)}
        {total !== undefined && total !== iteration && ` / ${count(total)}`}
      </span>{' '}
      <span class="hint">
        epoch {epoch.toFixed(1)}
        {endedEarly(run) && ', ended early'}
      </span>
      {secondsLeft !== undefined && <span class="hint time-left">about {duration(secondsLeft)} left</span>}
      {total !== undefined && (
        <progress max={Math.max(1, total)} value={iteration} aria-label={`Progress of ${nameOf(run)}`} />
      )}
    </>
  );
}
