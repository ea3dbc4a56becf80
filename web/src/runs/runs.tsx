import { decoded, go, hrefOf, type Route } from '../state/route.ts';
import { Busy, Failure } from '../ui/notices.tsx';
import { Comparison } from './comparison.tsx';
import { Curves } from './curves.tsx';
import { RunDetails } from './run-details.tsx';
import { RunTable } from './run-table.tsx';
import { MOST_SERIES } from './series.ts';
import { useMetrics } from './use-metrics.ts';
import { useRuns } from './use-runs.ts';

interface RunsProps {
  readonly route: Route;
  /** Shows a served model in Classify. */
  readonly onUse: (model: string) => void;
}

/** Training runs: a list, the curves of the selected ones, and the details of the current one. */
export function Runs({ route, onUse }: RunsProps) {
  const { runs, failure, refresh } = useRuns();
  const current =
    runs?.find(({ id }) => id === route.item) ?? runs?.find(({ state }) => state === 'running') ?? runs?.[0];
  const compared = new Set(route.parameters.get('with')?.split(',').map(decoded));
  const shown = (runs ?? []).filter(({ id }) => id === current?.id || compared.has(id)).slice(0, MOST_SERIES);
  const streams = useMetrics(shown, refresh);
  if (!runs) return failure ? <Failure message={failure} /> : <Busy what="Waiting for the runs" />;
  const show = (id: string, others: readonly string[]) => {
    const rest = others.filter((other) => other !== id);
    go(hrefOf('runs', id, rest.length > 0 ? { with: rest.map(encodeURIComponent).join(',') } : {}));
  };
  const ids = shown.map(({ id }) => id);
  return (
    <>
      <div class="title">
        <h1>Training runs</h1>
      </div>
      {failure && <Failure message={failure} />}
      {!current ? (
        <NoRuns />
      ) : (
        <>
          {route.item && route.item !== current.id && (
            <Failure message={`There is no run ${route.item}. Showing another.`} />
          )}
          <RunTable
            runs={runs}
            shown={ids}
            current={current.id}
            onCurrent={(id) => show(id, ids.includes(id) ? ids : [])}
            onToggle={(id) => {
              const rest = ids.filter((other) => other !== id);
              if (!ids.includes(id)) show(current.id, [...ids, id]);
              else if (id !== current.id) show(current.id, rest);
              else if (rest.length > 0) show(rest[0]!, rest);
            }}
          />
          <Curves runs={shown} streams={streams} />
          {shown.length > 1 && <Comparison runs={shown} />}
          <RunDetails
            key={current.id}
            run={current}
            lines={streams.get(current.id)?.lines ?? []}
            onChanged={refresh}
            onUse={onUse}
          />
        </>
      )}
    </>
  );
}

function NoRuns() {
  return (
    <section class="empty">
      <p>There are no training runs in this server’s folder yet. To start one:</p>
      <pre>
        <code>npx verydeep train photos --config A --width 0.5 --crop 64 --scale 72 --out runs/photos</code>
      </pre>
      <p>It will appear here automatically.</p>
    </section>
  );
}
